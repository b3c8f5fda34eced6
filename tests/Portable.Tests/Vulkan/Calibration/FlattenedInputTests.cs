using Portable.Calibration;
using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.BitPlanes;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Calibration;

/// <summary>How magnitudes are counted and inputs rounded for FlattenQuant is the CPU's on the device.</summary>
[Collection("Vulkan")]
public sealed class FlattenedInputTests(VulkanFixture vulkan)
{
    private static readonly float[] Extremes = [0, -0f, 1e-7f, 9.5367431640625e-7f, 1, 1.0625f, -2, 65504, 1048575.9f, 1048576, 1e30f, -float.MaxValue];

    [SkippableTheory]
    [InlineData(1, 12)]
    [InlineData(65, 130)]
    [InlineData(300, 63)]
    public void MagnitudesAreCountedAsOnTheCpu(int columns, int rows)
    {
        float[] x = Values(columns * 1000 + rows, columns, rows);
        List<(double, double)> cpu = Count(new CpuCalibration()), gpu = Count(Device);
        Assert.NotEmpty(cpu);
        Assert.Equal(cpu, gpu);
        VulkanFixture.AssertNoValidationMessages();

        List<(double, double)> Count(ICalibrationDevice device)
        {
            using Executor executor = device.CreateExecutor();
            DeviceActivation values = executor.CreateActivation(columns);
            DeviceInput input = executor.CreateInput(new InputSpec(columns, null, new GroupLayout(columns)));
            using IMagnitudeCounts counts = device.CreateMagnitudes(columns);
            for (int pass = 0; pass < 2; pass++)
            {
                executor.Begin(Batch.Consecutive(new int[rows], 0, false));
                executor.Write(values, x);
                executor.Prepare(values, [input]);
                counts.Add(executor, input, rows);
                executor.End();
            }

            MagnitudeHistograms read = counts.Read();
            return [.. Enumerable.Range(0, columns).SelectMany(read.Of)];
        }
    }

    [SkippableTheory]
    [InlineData(1, 1, false)]
    [InlineData(65, 130, true)]
    [InlineData(300, 63, true)]
    [InlineData(128, 70, false)]
    public void InputsAreRoundedAsOnTheCpu(int columns, int rows, bool divided)
    {
        Random random = new(columns + rows);
        float[] x = [.. Values(columns * 1000 + rows, columns, rows).Select(v => Math.Clamp(v, -1e6f, 1e6f))];
        float[] limits = [.. Enumerable.Range(0, columns).Select(_ => 7f * random.Next(1, 9))];
        float[]? factors = divided ? [.. Enumerable.Range(0, columns).Select(_ => MathF.Pow(2, random.Next(-64, 64) / 8f))] : null;
        (float[] exact, float[] seen, long clipped) = Round(new CpuCalibration());
        (float[] exactThere, float[] seenThere, long clippedThere) = Round(Device);
        Assert.Equal(exact, exactThere);
        Assert.Equal(seen, seenThere);
        Assert.Equal(clipped, clippedThere);
        VulkanFixture.AssertNoValidationMessages();

        (float[] Exact, float[] Seen, long Clipped) Round(ICalibrationDevice device)
        {
            using Executor executor = device.CreateExecutor();
            DeviceActivation values = executor.CreateActivation(columns), left = executor.CreateActivation(columns), rounded = executor.CreateActivation(columns);
            using IInputRounding rounding = device.CreateRounding(0.0625f + (columns / 4096f), limits, factors);
            executor.Begin(Batch.Consecutive(new int[rows], 0, false));
            executor.Write(values, x);
            rounding.Round(executor, values, left, rounded, rows);
            executor.End();
            float[] exact = new float[x.Length], seen = new float[x.Length];
            executor.Read(left, exact);
            executor.Read(rounded, seen);
            return (exact, seen, rounding.ReadClipped());
        }
    }

    [SkippableTheory]
    [InlineData(1, 1, false)]
    [InlineData(65, 130, true)]
    [InlineData(300, 63, true)]
    [InlineData(1100, 70, false)]
    public void OutputsAreComparedAsOnTheCpu(int columns, int rows, bool scaled)
    {
        Random random = new(columns + rows);
        float[] exact = [.. Enumerable.Range(0, columns * rows).Select(_ => (float)(random.NextDouble() - 0.4) * 3)];
        float[] approximate = [.. exact.Select(v => v + (0.01f * (random.NextSingle() - 0.5f)))], factors = [.. Enumerable.Range(0, columns).Select(_ => 0.9f + (0.2f * random.NextSingle()))];
        HistogramDivergence cpu = new(exact.Min(), exact.Max()), gpu = new(exact.Min(), exact.Max());
        float[] multiplied = scaled ? Smoothing.Scale(approximate, factors, divide: false) : approximate;
        cpu.Add(exact, multiplied);
        cpu.Add(exact, multiplied);
        using Executor executor = Device.CreateExecutor();
        using IOutputComparison comparison = Device.CreateComparison(rows, gpu, scaled ? factors : null)!;
        DeviceActivation y = executor.CreateActivation(columns), other = executor.CreateActivation(columns);
        for (int pass = 0; pass < 2; pass++)
        {
            executor.Begin(Batch.Consecutive(new int[rows], 0, false));
            executor.Write(y, exact);
            executor.Write(other, approximate);
            comparison.Compare(executor, y, other);
            executor.End();
        }

        comparison.AddCounts(gpu);
        Assert.Equal(cpu.Counts, gpu.Counts);
        double[] errors = comparison.Read(rows);
        for (int row = 0; row < rows; row++)
        {
            double difference = 0, norm = 0;
            for (int i = row * columns; i < (row + 1) * columns; i++)
            {
                double e = multiplied[i] - (double)exact[i];
                difference += e * e;
                norm += (double)exact[i] * exact[i];
            }

            Assert.Equal(difference, errors[2 * row]);
            Assert.Equal(norm, errors[(2 * row) + 1]);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private VulkanCalibration Device => new(vulkan.Context, SelfCheck.Of(vulkan.Context));

    private static float[] Values(int seed, int columns, int rows)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, columns * rows).Select(i => i < Extremes.Length ? Extremes[i] : (random.NextSingle() - 0.5f) * MathF.Pow(2, random.Next(-8, 8)))];
    }
}

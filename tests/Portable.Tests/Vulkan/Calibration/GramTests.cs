using Portable.Calibration;
using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Calibration;

/// <summary>Sums over inputs, their factor and the columns quantized with it have the CPU's bits on the device.</summary>
[Collection("Vulkan")]
public sealed class GramTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData(40, 30, 9)]
    [InlineData(64, 64, 130)]
    [InlineData(150, 300, 40)]
    public void SumsFactorsAndCodesHaveTheCpusBits(int size, int rows, int channels)
    {
        Random random = new(size);
        float[] x = [.. Enumerable.Range(0, 2 * rows * size).Select(_ => (float)(random.NextDouble() - 0.5) * (1 + random.Next(4)))];
        float[] weights = [.. Enumerable.Range(0, channels * size).Select(_ => (float)random.NextDouble() - 0.5f)];
        (double[] Diagonal, float[] Maxima, short[] Codes) cpu = Run(new CpuCalibration()), gpu = Run(new VulkanCalibration(vulkan.Context, SelfCheck.Of(vulkan.Context)));
        AssertBits.Equal(cpu.Diagonal, gpu.Diagonal);
        AssertBits.Equal(cpu.Maxima, gpu.Maxima);
        Assert.Equal(cpu.Codes, gpu.Codes);
        VulkanFixture.AssertNoValidationMessages();

        (double[], float[], short[]) Run(ICalibrationDevice device)
        {
            using Executor executor = device.CreateExecutor();
            DeviceActivation values = executor.CreateActivation(size);
            DeviceInput input = executor.CreateInput(new InputSpec(size, null, new GroupLayout(size)));
            using IGramSums gram = device.CreateGram(size);
            using IColumnMaxima maxima = device.CreateMaxima(size);
            for (int batch = 0; batch < 2; batch++)
            {
                executor.Begin(Batch.Consecutive(new int[rows], 0, false));
                executor.Write(values, x.AsSpan(batch * rows * size, rows * size));
                executor.Prepare(values, [input]);
                gram.Add(executor, input, rows);
                maxima.Add(executor, input, rows);
                executor.End();
            }

            double[] diagonal = gram.Diagonal();
            short[] codes = new short[channels * size];
            using IColumnFactor factor = gram.Factorise(Gptq.Order(diagonal, true), 0.01);
            factor.Quantize(weights, channels, (_, _) => new WeightGrid(0.07f, 8, 0, 15), codes, Rounding.HalfEven);
            return (diagonal, maxima.Read(), codes);
        }
    }
}

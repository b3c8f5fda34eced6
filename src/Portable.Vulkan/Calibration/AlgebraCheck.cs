using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// Whether a device's sums and f64 algebra have the CPU's bits: a small layer is corrected, quantized on searched grids and improved on both, and the errors of its ranges are compared. Asked
/// once, before anything is believed.
/// </summary>
internal static class AlgebraCheck
{
    private const int Size = 150, Rows = 200, Channels = 20, Group = 32;
    private static readonly ConditionalWeakTable<VulkanContext, object> Passed = [];

    /// <summary>Asks a device, the first time.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="device">Calibration there, without this question.</param>
    /// <exception cref="VulkanException">It gives other bits.</exception>
    public static void Require(VulkanContext gpu, Func<ICalibrationDevice> device)
    {
        lock (Passed)
        {
            if (Passed.TryGetValue(gpu, out _))
            {
                return;
            }

            CpuCalibration cpu = new();
            ICalibrationDevice asked = device();
            WeightCodes expected = Run(cpu), found = Run(asked);
            if (!expected.Grids.AsSpan().SequenceEqual(found.Grids) || !expected.Codes.AsSpan().SequenceEqual(found.Codes) || !Errors(cpu).SequenceEqual(Errors(asked)))
            {
                throw new VulkanException($"{gpu.Facts.Name} does not compute the algebra of calibration to the CPU's bits; use the device cpu.");
            }

            Passed.Add(gpu, new object());
        }
    }

    /// <summary>Every error of the columns of a matrix.</summary>
    private static IEnumerable<double> Errors(ICalibrationDevice device)
    {
        SplitMix64 random = new(27);
        float[] weights = [.. Enumerable.Range(0, Rows * Channels).Select(_ => random.Next(1 << 12) * MathF.ScaleB(1, -12 - random.Next(4)))];
        double[] rows = [.. Enumerable.Range(1, Rows).Select(n => 1.0 / n)], energies = new double[Channels];
        ErrorTable[] tables = device.ColumnErrors.Tabulate(new ColumnsToTabulate(weights, rows, [.. Enumerable.Range(1, Channels).Select(j => 1 + (1.0 / j))], 0.3, 7, ErrorTable.MostParts), energies, default);
        return [.. energies, .. tables.SelectMany(t => Enumerable.Range(t.First, ErrorTable.StepCount).SelectMany(i => Enumerable.Range(1, t.Parts(i)).Select(n => t.Error(i, n))))];
    }

    private static WeightCodes Run(ICalibrationDevice device)
    {
        SplitMix64 random = new(26);
        using Executor executor = device.CreateExecutor();
        DeviceActivation seen = executor.CreateActivation(Size), exact = executor.CreateActivation(Size), lacking = executor.CreateActivation(Channels);
        DeviceInput input = executor.CreateInput(new InputSpec(Size, null, new GroupLayout(Size)));
        using IGramSums hessian = device.CreateGram(Size);
        using ICrossSums cross = device.CreateCross(Size, Size), missing = device.CreateCross(Channels, Size);
        float[] x = Random(Rows * Size);
        executor.Begin(Batch.Consecutive(new int[Rows], 0, allLogits: false));
        executor.Write(seen, x);
        executor.Write(exact, Array.ConvertAll(x, v => v + (0.1f * Random(1)[0])));
        executor.Write(lacking, Random(Rows * Channels));
        executor.Prepare(seen, [input]);
        hessian.Add(executor, input, Rows);
        cross.Add(executor, exact, input, Rows);
        missing.Add(executor, lacking, input, Rows);
        executor.End();
        GroupLayout layout = new(Size, Group);
        WeightCodes codes = new(Channels, layout, new CodeFormat(4, signed: false), new WeightGrid[Channels * layout.Groups]);
        LinearWeights linear = new() { Name = "", Float = new FloatTable(Channels, Size, ElementType.Float32, MemoryMarshal.AsBytes(Random(Channels * Size).AsSpan()).ToArray()) };
        using IColumnFactor factor = hessian.Factorise(GroupedGptq.Order(hessian.Diagonal(), layout), 0.01);
        factor.Quantize(linear, codes, new ColumnCompensation
        {
            Search = new GridKind(Symmetric: false, 15, ScaleFormat.Single), Cross = cross, Target = 0.7, Missing = missing, Share = 0.4, Descent = 3, Scales = ScaleFormat.Single,
        });
        return codes;

        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.Next(1 << 24) - (1 << 23)) * MathF.ScaleB(1, -23 - random.Next(4)))];
    }
}

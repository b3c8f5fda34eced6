using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Arithmetic;
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
    public void SumsFactorsAndCodesHaveTheCpusBits(int size, int rows, int channels) => Compare(size, rows, channels, 0, ElementType.Float32, new ColumnCompensation());

    /// <summary>Everything that is compensated: the target, what is missing, grids searched on the way, the descent.</summary>
    [SkippableTheory]
    [InlineData(40, 30, 9, 0, ElementType.Float32, false, ScaleFormat.Single)]
    [InlineData(70, 64, 33, 16, ElementType.BFloat16, false, ScaleFormat.Half)]
    [InlineData(67, 40, 20, 8, ElementType.Float16, true, ScaleFormat.Half)]
    [InlineData(150, 200, 50, 64, ElementType.BFloat16, false, ScaleFormat.Half)]
    [InlineData(130, 100, 35, 100, ElementType.Float32, true, ScaleFormat.Single)]
    public void SearchedGridsTargetsAndDescentHaveTheCpusBits(int size, int rows, int channels, int group, ElementType type, bool symmetric, ScaleFormat scales) =>
        Compare(size, rows, channels, group, type, new ColumnCompensation { Search = new GridKind(symmetric, symmetric ? 7 : 15, scales), Target = 0.7, Share = 0.4, Descent = 3, Scales = scales });

    [SkippableTheory]
    [InlineData(40, 13, 0, ElementType.Float32, true)]
    [InlineData(101, 9, 16, ElementType.Float16, true)]
    [InlineData(96, 70, 32, ElementType.BFloat16, false)]
    public void SearchedGridsHaveTheCpusBits(int size, int channels, int group, ElementType type, bool weighed)
    {
        Random random = new(size);
        LinearWeights linear = Linear(random, channels, size, type);
        double[]? importance = weighed ? [.. Enumerable.Range(0, size).Select(_ => random.NextDouble() * random.Next(3))] : null;
        foreach (GridKind kind in (GridKind[])[new(false, 15, ScaleFormat.Half), new(false, 4, ScaleFormat.Single), new(true, 31, ScaleFormat.Half), new(false, 255, ScaleFormat.Half)])
        {
            WeightCodes cpu = Empty(channels, size, group), gpu = Empty(channels, size, group);
            new CpuCalibration().Round(linear, cpu, importance, kind);
            Device.Round(linear, gpu, importance, kind);
            Assert.Equal(cpu.Grids, gpu.Grids);
            Assert.Equal(cpu.Codes, gpu.Codes);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void WhatIsNotPositiveDefiniteIsSaidInTheSameWords()
    {
        string cpu = Message(new CpuCalibration()), gpu = Message(Device);
        Assert.Equal(cpu, gpu);

        static string Message(ICalibrationDevice device)
        {
            const int Size = 80;
            using Executor executor = device.CreateExecutor();
            DeviceActivation values = executor.CreateActivation(Size);
            DeviceInput input = executor.CreateInput(new InputSpec(Size, null, new GroupLayout(Size)));
            using IGramSums gram = device.CreateGram(Size);
            executor.Begin(Batch.Consecutive(new int[3], 0, false));
            executor.Write(values, [.. Enumerable.Range(0, 3 * Size).Select(i => (float)(i % 7))]);
            executor.Prepare(values, [input]);
            gram.Add(executor, input, 3);
            executor.End();
            return Assert.Throws<ArithmeticException>(() => gram.Factorise(Gptq.Order(gram.Diagonal(), true), 0)).Message;
        }
    }

    private VulkanCalibration Device => new(vulkan.Context, SelfCheck.Of(vulkan.Context));

    private void Compare(int size, int rows, int channels, int group, ElementType type, ColumnCompensation part)
    {
        Random random = new(size);
        float[] x = Inputs(), exact = Inputs(), residuals = [.. Enumerable.Range(0, 2 * rows * channels).Select(_ => (float)random.NextDouble() - 0.5f)];
        LinearWeights linear = Linear(random, channels, size, type);
        (double[] Diagonal, double[] Squares, float[] Maxima, WeightCodes Codes) cpu = Run(new CpuCalibration()), gpu = Run(Device);
        AssertBits.Equal(cpu.Diagonal, gpu.Diagonal);
        AssertBits.Equal(cpu.Squares, gpu.Squares);
        AssertBits.Equal(cpu.Maxima, gpu.Maxima);
        Assert.Equal(cpu.Codes.Grids, gpu.Codes.Grids);
        Assert.Equal(cpu.Codes.Codes, gpu.Codes.Codes);
        VulkanFixture.AssertNoValidationMessages();

        float[] Inputs() => [.. Enumerable.Range(0, 2 * rows * size).Select(_ => (float)(random.NextDouble() - 0.5) * (1 + random.Next(4)))];

        (double[], double[], float[], WeightCodes) Run(ICalibrationDevice device)
        {
            using Executor executor = device.CreateExecutor();
            DeviceActivation values = executor.CreateActivation(size), others = executor.CreateActivation(size), lacking = executor.CreateActivation(channels), taken = executor.CreateActivation(channels);
            DeviceInput input = executor.CreateInput(new InputSpec(size, null, new GroupLayout(size)));
            using IGramSums gram = device.CreateGram(size);
            using ICrossSums cross = device.CreateCross(size, size), missing = device.CreateCross(channels, size);
            using IColumnMaxima maxima = device.CreateMaxima(size);
            using IColumnSquares squares = device.CreateSquares(size);
            using StoredRows memory = device.CreateRows(2 * rows * size), behind = device.CreateRows(2 * rows * size);
            memory.Write(0, x);
            for (int batch = 0; batch < 2; batch++)
            {
                executor.Begin(Batch.Consecutive(new int[rows], 0, false));
                executor.Write(values, memory, batch * rows * size, rows * size);
                executor.Write(others, exact.AsSpan(batch * rows * size, rows * size));
                executor.Write(lacking, residuals.AsSpan(batch * rows * channels, rows * channels));
                executor.Write(taken, residuals.AsSpan((1 - batch) * rows * channels, rows * channels));
                executor.Prepare(values, [input]);
                gram.Add(executor, input, rows);
                maxima.Add(executor, input, rows);
                squares.Add(executor, input, rows);
                cross.Add(executor, others, input, rows);
                device.Subtract(executor, taken, lacking);
                missing.Add(executor, lacking, input, rows);
                executor.Leave(values, behind, batch * rows * size, rows * size);
                executor.End();
            }

            float[] left = new float[x.Length];
            behind.Read(0, left);
            Assert.Equal(x, left);
            double[] diagonal = gram.Diagonal();
            WeightCodes codes = Empty(channels, size, group);
            int[] order = part.Search is null ? Gptq.Order(diagonal, true) : GroupedGptq.Order(diagonal, codes.Layout);
            using IColumnFactor factor = gram.Factorise(order, 0.01);
            factor.Quantize(linear, codes, part.Search is null ? part : part with { Cross = cross, Missing = missing });
            return (diagonal, squares.Read(), maxima.Read(), codes);
        }
    }

    private static WeightCodes Empty(int rows, int columns, int group)
    {
        GroupLayout layout = new(columns, group);
        WeightGrid[] grids = new WeightGrid[rows * layout.Groups];
        Array.Fill(grids, new WeightGrid(0.07f, 8, 0, 15));
        return new WeightCodes(rows, layout, new CodeFormat(4, signed: false), grids);
    }

    private static LinearWeights Linear(Random random, int rows, int columns, ElementType type)
    {
        float[] values = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(6))))];
        byte[] bytes = type switch
        {
            ElementType.Float32 => MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
            ElementType.Float16 => MemoryMarshal.AsBytes(Array.ConvertAll(values, v => (Half)v).AsSpan()).ToArray(),
            _ => MemoryMarshal.AsBytes(Array.ConvertAll(values, v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16)).AsSpan()).ToArray(),
        };
        return new LinearWeights { Name = "linear", Float = new FloatTable(rows, columns, type, bytes) };
    }
}

using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Training;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Training;

namespace Portable.Tests.Vulkan.Training;

/// <summary>Blocks of fixtures on a device.</summary>
internal static class DeviceBlock
{
    /// <summary>A pass there and back.</summary>
    public static BlockPass Run(VulkanContext gpu, ITrainingProducts products, BlockFixture f, int activationBits, int keyValueBits, float[] dy, float[]? dMean, int activationGroup = 0)
    {
        using TrainingKernels memory = new(gpu);
        using TrainingDeviceBlock block = new(gpu, products, f.Layout, f.Tokens, activationBits, keyValueBits, activationGroup, backward: true);
        Dictionary<BlockSlot, TrainingMatrix> linears = [];
        Dictionary<BlockNorm, TrainingVectors> norms = [], normGradients = [];
        Dictionary<BlockSlot, GpuBuffer> weightGradients = [], biasGradients = [];
        Dictionary<BlockNorm, (GpuBuffer Gain, GpuBuffer? Bias)> normBuffers = [];
        foreach (BlockSlot slot in f.Layout.Slots)
        {
            LinearTensors l = f.Tensors[slot];
            linears.Add(slot, new TrainingMatrix(memory.Allocate(l.Weight).Address, TableType.Float32, l.Rows, l.Columns, l.Bias is null ? 0 : memory.Allocate(l.Bias).Address));
            weightGradients.Add(slot, memory.Allocate(l.Weight.Length));
            if (l.Bias is not null)
            {
                biasGradients.Add(slot, memory.Allocate(l.Rows));
            }
        }

        foreach (BlockNorm norm in f.Layout.Norms)
        {
            (float[] gain, float[]? bias) = f.Tensors[norm];
            norms.Add(norm, new TrainingVectors(memory.Allocate(gain).Address, bias is null ? 0 : memory.Allocate(bias).Address));
            GpuBuffer? toBias = bias is null ? null : memory.Allocate(bias.Length);
            normBuffers.Add(norm, (memory.Allocate(gain.Length), toBias));
            normGradients.Add(norm, new TrainingVectors(normBuffers[norm].Gain.Address, toBias?.Address ?? 0));
        }

        GpuBuffer mean = memory.Allocate(f.Tokens * f.Tokens), dx = memory.Allocate(f.Input.Length);
        ulong toMean = dMean is null ? 0 : memory.Allocate(dMean).Address;
        GpuBuffer upstream = memory.Allocate(dy);
        using TrainingProgram program = new(gpu, null);
        block.Forward(program, s => linears[s], n => norms[n]);
        block.MeanAttention(program, mean.Address);
        TrainingKernels.Sum(program, upstream.Address, memory.Zeros(dy.Length).Address, block.OutputGradient, f.Tokens, f.Layout.Hidden);
        block.Backward(program, s => linears[s], n => norms[n], toMean, n => normGradients[n], Reached, dx.Address);
        gpu.Upload<float>(f.Input, block.InputBuffer);
        gpu.Wait(program.Run());

        BlockTensors gradients = new(f.Tensors);
        foreach (BlockSlot slot in f.Layout.Slots)
        {
            gpu.Download<float>(weightGradients[slot], gradients[slot].Weight);
            if (gradients[slot].Bias is { } bias)
            {
                gpu.Download<float>(biasGradients[slot], bias);
            }
        }

        foreach (BlockNorm norm in f.Layout.Norms)
        {
            gpu.Download<float>(normBuffers[norm].Gain, gradients[norm].Gain);
            if (gradients[norm].Bias is { } bias)
            {
                gpu.Download<float>(normBuffers[norm].Bias!, bias);
            }
        }

        return new BlockPass(Read(block.OutputBuffer, f.Input.Length), Read(mean, f.Tokens * f.Tokens), Read(dx, f.Input.Length), gradients);

        void Reached(BlockSlot slot, ulong toOutput, ulong x)
        {
            TrainingMatrix w = linears[slot];
            products.Add(program, "dW", new ProductOperand(toOutput, Columns: true), new ProductOperand(x, Columns: true), weightGradients[slot].Address, w.Rows, w.Columns, f.Tokens);
            if (biasGradients.TryGetValue(slot, out GpuBuffer? bias))
            {
                TrainingKernels.ColumnSums(program, toOutput, null, 0, bias.Address, f.Tokens, w.Rows);
            }
        }

        float[] Read(GpuBuffer buffer, int count)
        {
            float[] values = new float[count];
            gpu.Download<float>(buffer, values);
            return values;
        }
    }

    /// <summary>The fixture's parameters as a model holds them.</summary>
    public static BlockWeights Weights(BlockFixture f) => BlockWeights.Create(
        f.Layout,
        norm => new NormWeights(f.Tensors[norm].Gain, f.Tensors[norm].Bias),
        slot => new LinearWeights
        {
            Name = $"{slot}",
            Float = new FloatTable(f.Tensors[slot].Rows, f.Tensors[slot].Columns, ElementType.Float32, System.Runtime.InteropServices.MemoryMarshal.AsBytes(f.Tensors[slot].Weight.AsSpan()).ToArray()),
            Bias = f.Tensors[slot].Bias,
        });
}

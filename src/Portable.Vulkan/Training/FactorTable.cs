using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Training;

/// <summary>
/// Everything of a block that is as long as a row or a column: factors, scaled biases and folded norms on their way to the device, their gradients
/// on their way back, each in one piece.
/// </summary>
internal sealed class FactorTable
{
    private readonly BlockWeights _weights;
    private readonly Dictionary<BlockSlot, (int Row, int Column, int Bias)> _linears = [];
    private readonly Dictionary<BlockNorm, (int Gain, int Bias)> _norms = [];
    private readonly float[] _values;
    private readonly GpuBuffer _device, _gradients;

    /// <summary>Lays it out; all factors are 1 and norms the block's own.</summary>
    /// <param name="kernels">Owns the memory.</param>
    /// <param name="weights">The float block.</param>
    public FactorTable(TrainingKernels kernels, BlockWeights weights)
    {
        _weights = weights;
        int next = 0;
        int Take(int count)
        {
            int at = next;
            next += count;
            return at;
        }

        foreach (BlockSlot slot in weights.Layout.Slots)
        {
            (int rows, int columns) = weights.Layout.SizeOf(slot);
            _linears.Add(slot, (Take(rows), Take(columns), weights[slot].Bias is null ? -1 : Take(rows)));
        }

        foreach (BlockNorm norm in weights.Layout.Norms)
        {
            _norms.Add(norm, (Take(weights[norm].Gain.Length), weights[norm].Bias is null ? -1 : Take(weights[norm].Gain.Length)));
        }

        _values = new float[next];
        Array.Fill(_values, 1);
        (_device, _gradients) = (kernels.Allocate(_values), kernels.Zeros(next));
    }

    /// <summary>Where a layer's lie.</summary>
    public FactorAddresses Of(BlockSlot slot)
    {
        (int row, int column, int bias) = _linears[slot];
        return new FactorAddresses(At(_device, row), At(_device, column), At(_device, bias), At(_gradients, row), At(_gradients, column), At(_gradients, bias));
    }

    /// <summary>Where a folded norm lies.</summary>
    public TrainingVectors Of(BlockNorm norm) => new(At(_device, _norms[norm].Gain), At(_device, _norms[norm].Bias));

    /// <summary>Where its gradient goes.</summary>
    public TrainingVectors GradientOf(BlockNorm norm) => new(At(_gradients, _norms[norm].Gain), At(_gradients, _norms[norm].Bias));

    /// <summary>A layer's bias times its row factors, or null.</summary>
    public float[]? ScaledBias(BlockSlot slot, StudentFactors factors) => _weights[slot].Bias is { } bias ? [.. bias.Zip(factors[slot].Row, (b, f) => b * f)] : null;

    /// <summary>Brings the present factors to the device.</summary>
    public void Upload(VulkanContext gpu, StudentFactors factors)
    {
        foreach ((BlockSlot slot, (int row, int column, int bias)) in _linears)
        {
            factors[slot].Row.CopyTo(_values, row);
            factors[slot].Column.CopyTo(_values, column);
            ScaledBias(slot, factors)?.CopyTo(_values, bias);
        }

        foreach ((BlockNorm norm, (int gain, int bias)) in _norms)
        {
            factors.Norms[norm].Gain.CopyTo(_values, gain);
            factors.Norms[norm].Bias?.CopyTo(_values, bias);
        }

        gpu.Upload<float>(_values, _device);
    }

    /// <summary>Takes the gradients back from it.</summary>
    public void Download(VulkanContext gpu, StudentFactors factors)
    {
        float[] found = new float[_values.Length];
        gpu.Download<float>(_gradients, found);
        foreach ((BlockSlot slot, (int row, int column, int bias)) in _linears)
        {
            LinearFactors linear = factors[slot];
            found.AsSpan(row, linear.Row.Length).CopyTo(linear.RowLogGradient);
            for (int k = 0; k < linear.Column.Length; k++)
            {
                linear.ColumnLogGradient[k] = found[column + k] * linear.Column[k];
            }

            if (_weights[slot].Bias is { } values)
            {
                for (int n = 0; n < values.Length; n++)
                {
                    linear.RowLogGradient[n] += found[bias + n] * values[n] * linear.Row[n];
                }
            }
        }

        foreach ((BlockNorm norm, (int gain, int bias)) in _norms)
        {
            (float[] toGain, float[]? toBias) = factors.NormGradients[norm];
            found.AsSpan(gain, toGain.Length).CopyTo(toGain);
            if (toBias is not null)
            {
                found.AsSpan(bias, toBias.Length).CopyTo(toBias);
            }
        }
    }

    private static ulong At(GpuBuffer buffer, int offset) => offset < 0 ? 0 : buffer.Address + (4ul * (ulong)offset);
}

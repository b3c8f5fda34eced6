using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Blocks;

namespace Portable.Quantization.Baselines;

/// <summary>The Hessians Σ x·xᵀ of a block's four inputs.</summary>
internal sealed class BlockHessians : IDisposable
{
    private readonly Dictionary<BlockInput, IGramSums> _sums;

    private BlockHessians(Dictionary<BlockInput, IGramSums> sums) => _sums = sums;

    /// <summary>Accumulates them over a stream, where it runs.</summary>
    public static BlockHessians Observe(BlockWeights block, BlockStream stream)
    {
        BlockHessians hessians = new(BlockInputs.All.ToDictionary(i => i, i => stream.Device.CreateGram(block.Layout.Columns(i))));
        try
        {
            stream.Sum(block, hessians._sums.ToDictionary(s => s.Key, s => (IInputSums)s.Value));
            return hessians;
        }
        catch
        {
            hessians.Dispose();
            throw;
        }
    }

    /// <summary>The linears that read an input, with the factor that they share.</summary>
    public IEnumerable<(LinearWeights Linear, float[] Weights, IColumnFactor Factor)> Factorise(BlockWeights block, BlockInput input, GptqOptions options)
    {
        IGramSums sums = _sums[input];
        double[] diagonal = sums.Diagonal();
        using IColumnFactor factor = HessianFactor.Of(block.Reading(input), diagonal, () => sums.Factorise(Gptq.Order(diagonal, options.ActivationOrder), options.Damping));
        foreach (LinearWeights linear in block.Reading(input))
        {
            yield return (linear, linear.ReadWeights(), factor);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IGramSums sums in _sums.Values)
        {
            sums.Dispose();
        }
    }
}

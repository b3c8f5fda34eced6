using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// GPTQ on the grids of round-to-nearest (asymmetric min-max per output channel or group), activations symmetric per token.
/// Blocks are calibrated on what the already quantized blocks give.
/// </summary>
internal sealed class GptqMethod : IQuantizationMethod
{
    private static readonly MethodOption ActivationOrder = new("act-order", "on", "quantize columns in descending activation energy: on, off");
    private static readonly MethodOption Damping = new("damping", "0.01", "part of the Hessian's mean diagonal added to its diagonal");

    public string Name => "gptq";

    public string Summary => "GPTQ: round-to-nearest grids, rounding errors compensated in later columns";

    public bool NeedsCalibration => true;

    public IReadOnlyList<MethodOption> Options => [ActivationOrder, Damping];

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        context.Scheme.RequireSymmetric(weights: false, activations: true);
        GptqOptions options = new(context.Options.Switch(ActivationOrder), context.Options.Number(Damping, 1e-6, 1));
        return new Quantizer(context.Scheme.Layer, context.Scales, options);
    }

    private sealed class Quantizer(QuantizationScheme scheme, ScaleFormat scales, GptqOptions options) : IBlockQuantizer
    {
        public CalibrationInputs Inputs => CalibrationInputs.Quantized;

        public JsonObject? Manifest => null;

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            using BlockHessians hessians = BlockHessians.Observe(block, stream!);
            Dictionary<string, QuantizedLinear> quantized = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                foreach ((LinearWeights linear, float[] weights, IColumnFactor factor) in hessians.Factorise(block, input, options))
                {
                    int columns = linear.InputFeatures();
                    WeightCodes codes = new(linear.OutputFeatures, new GroupLayout(columns, scheme.GroupSize), scheme.WeightFormat, RoundToNearest.Grids(weights, linear.OutputFeatures, columns, scheme, scales));
                    factor.Quantize(weights, codes.Rows, codes.Grid, codes.Codes, options.Rounding);
                    quantized.Add(linear.Name, codes.ToLinear(linear.Bias, RoundToNearest.PerToken(scheme)));
                }
            }

            return new QuantizedBlock(block.MapLinears(l => l.WithQuantized(quantized[l.Name], scheme)));
        }
    }
}

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

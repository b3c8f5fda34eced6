using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// SmoothQuant: the inputs of q, k, v and of gate, up (fc1) are smoothed into the norms before them; weights symmetric per
/// tensor (or per output channel, or in the scheme's groups); activations per token (O1) or static per tensor (O3). Where no
/// norm stands before a part (OLMo 2), its input stays as it is.
/// </summary>
/// <remarks>
/// O2 (one dynamic scale per tensor) is refused: the scale of a token would depend on the tokens beside it, so decoding one
/// token at a time could not equal the prompt as a whole.
/// </remarks>
internal sealed class SmoothQuantMethod : IQuantizationMethod
{
    private static readonly MethodOption Alpha = new("alpha", "auto", "migration strength 0 … 1; auto = 0.8 for gated MLPs (LLaMA), 0.5 for others (OPT)");
    private static readonly MethodOption Level = new("level", "O1", "activations: O1 (dynamic per token), O3 (static per tensor)");
    private static readonly MethodOption Granularity = new("weights", "tensor", "weight scales where the scheme has no groups: tensor, channel");

    public string Name => "smoothquant";

    public string Summary => "SmoothQuant: activation outliers moved into the weights, then symmetric rounding";

    public bool NeedsCalibration => true;

    public IReadOnlyList<MethodOption> Options => [Alpha, Level, Granularity];

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated)
    {
        QuantizationScheme layer = scheme.Layer;
        layer.RequireSymmetric(weights: true, activations: true);
        if (layer.Balanced)
        {
            throw new FormatException($"Scheme '{layer}': SmoothQuant's weights are symmetric; W2* belongs to asymmetric methods.");
        }

        if (options.Text(Level) == "O2")
        {
            throw new MethodUsageException("level O2 would give a token a scale that depends on the tokens beside it, so decoding could not equal the whole prompt; use O1 or O3.", Level.Name);
        }

        bool isStatic = options.Choice(Level, "O1", "O3") == "O3";
        if (isStatic && layer.ActivationBits == 16)
        {
            throw new MethodUsageException("level O3 has static scales for 2 to 8 bits; A16 needs O1.", Level.Name);
        }

        if (isStatic && layer.ActivationGroupSize != 0)
        {
            throw new MethodUsageException("level O3 has one static scale a tensor; groups of activations (a) need O1.", Level.Name);
        }

        _ = (Strength(options), options.Choice(Granularity, "tensor", "channel"));
    }

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        QuantizationScheme scheme = context.Scheme.Layer;
        double alpha = Strength(context.Options) ?? (context.Source.Config.Blocks[0].Gated ? 0.8 : 0.5);
        WeightGranularity granularity = scheme.GroupSize != 0 ? WeightGranularity.Group
            : context.Options.Text(Granularity) == "tensor" ? WeightGranularity.Tensor : WeightGranularity.Channel;
        return new Quantizer(scheme, context.Scales, alpha, context.Options.Text(Level) == "O3", granularity);
    }

    /// <summary>The migration strength; null = by the model.</summary>
    private static double? Strength(MethodOptions options) => options.Text(Alpha) == "auto" ? null : options.Number(Alpha, 0, 1);

    private sealed class Quantizer(QuantizationScheme scheme, ScaleFormat scales, double alpha, bool isStatic, WeightGranularity granularity) : IBlockQuantizer
    {
        public CalibrationInputs Inputs => CalibrationInputs.Float;

        public JsonObject? Manifest { get; } = new()
        {
            ["alpha"] = alpha,
            ["activations"] = isStatic ? "static per tensor (O3)" : scheme.ActivationGroupSize == 0 ? "dynamic per token (O1)" : "dynamic per token and group (O1)",
            ["weights"] = granularity.ToString().ToLowerInvariant(),
        };

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<BlockInput, float[]> maxima = ChannelMaxima.Observe(block, stream!);
            ScaledBlock scaled = new(block);
            foreach (BlockInput input in BlockInputs.All.Where(scaled.HasNorm))
            {
                scaled.Smooth(input, maxima[input], alpha);
            }

            Dictionary<string, QuantizedLinear> quantized = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                ActivationQuantizer quantizer = Input(maxima[input].Max());
                foreach (LinearWeights linear in block.Reading(input))
                {
                    float[] weights = scaled.Weights(linear);
                    GroupLayout layout = new(linear.InputFeatures(), scheme.GroupSize);
                    WeightCodes codes = new(linear.OutputFeatures, layout, new CodeFormat(scheme.WeightBits, signed: true), WeightCodes.FindGrids(weights, linear.OutputFeatures, layout, granularity, v => WeightGrid.Symmetric(v, scheme.WeightBits, scales)));
                    codes.Round(weights);
                    quantized.Add(linear.Name, codes.ToLinear(linear.Bias, quantizer));
                }
            }

            return new QuantizedBlock(block.MapLinears(l => l.WithQuantized(quantized[l.Name], scheme)).MapNorms((norm, _) => scaled.Norm(norm)))
            {
                InputFactors = scaled.InputFactors,
            };
        }

        private ActivationQuantizer Input(float maximum) => isStatic
            ? new(new CodeFormat(scheme.ActivationBits, signed: true), ActivationMode.Static, 0, WeightGrid.ClampScale((double)maximum / ((1 << (scheme.ActivationBits - 1)) - 1)))
            : RoundToNearest.PerToken(scheme);
    }
}

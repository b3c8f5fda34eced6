using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>The plain baseline, <see cref="RoundToNearest"/>. Calibration is used for the report's output errors only.</summary>
internal sealed class RoundToNearestMethod : IQuantizationMethod
{
    public string Name => "rtn";

    public string Summary => "round to nearest: asymmetric min-max weights per output channel or group, activations symmetric per token or group";

    public bool NeedsCalibration => false;

    public IReadOnlyList<MethodOption> Options => [];

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        context.Scheme.RequireSymmetric(weights: false, activations: true);
        return new Quantizer(context.Scheme.Layer, context.Scales);
    }

    private sealed class Quantizer(QuantizationScheme scheme, ScaleFormat scales) : IBlockQuantizer
    {
        public CalibrationInputs Inputs => CalibrationInputs.None;

        public JsonObject? Manifest => null;

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream) =>
            new(block.MapLinears(linear => linear.WithQuantized(
                RoundToNearest.Quantize(linear.ReadWeights(), linear.OutputFeatures, linear.InputFeatures(), linear.Bias, scheme, scales), scheme)));
    }
}

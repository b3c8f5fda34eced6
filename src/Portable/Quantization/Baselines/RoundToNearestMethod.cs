using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// The plain baseline, <see cref="RoundToNearest"/>, on searched grids or on those of the whole range. Calibration, where there
/// is any, weighs the search by the mean squares of the inputs, and serves the report's output errors.
/// </summary>
internal sealed class RoundToNearestMethod : IQuantizationMethod
{
    public string Name => "rtn";

    public string Summary => "round to nearest: asymmetric weights per output channel or group, activations symmetric per token or group";

    public bool NeedsCalibration => false;

    public IReadOnlyList<MethodOption> Options => [GridOption.Option];

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated)
    {
        scheme.RequireSymmetric(weights: false, activations: true);
        _ = GridOption.Searches(options);
    }

    public IBlockQuantizer Prepare(QuantizationContext context) =>
        new Quantizer(context.Device ?? new CpuCalibration(), context.Scheme.Layer, context.Scales, GridOption.Searches(context.Options));

    private sealed class Quantizer(ICalibrationDevice device, QuantizationScheme scheme, ScaleFormat scales, bool searches) : IBlockQuantizer
    {
        public CalibrationInputs Inputs => searches ? CalibrationInputs.Float : CalibrationInputs.None;

        public JsonObject? Manifest => null;

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<BlockInput, double[]>? squares = stream is null ? null : ChannelSquares.Observe(block, stream);
            Dictionary<string, LinearWeights> quantized = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                foreach (LinearWeights linear in block.Reading(input))
                {
                    quantized.Add(linear.Name, linear.WithQuantized(Quantize(linear, squares?[input]), scheme));
                }
            }

            return new QuantizedBlock(block.MapLinears(l => quantized[l.Name]));
        }

        private QuantizedLinear Quantize(LinearWeights linear, double[]? importance)
        {
            WeightCodes codes;
            if (searches)
            {
                GroupLayout layout = new(linear.InputFeatures(), scheme.GroupSize);
                codes = new(linear.OutputFeatures, layout, scheme.WeightFormat, new WeightGrid[linear.OutputFeatures * layout.Groups]);
                device.Round(linear, codes, importance, new GridKind(false, scheme.LargestWeightCode, scales));
            }
            else
            {
                float[] weights = linear.ReadWeights();
                codes = RoundToNearest.Codes(weights, linear.OutputFeatures, linear.InputFeatures(), scheme, scales);
                codes.Round(weights);
            }

            return codes.ToLinear(linear.Bias, RoundToNearest.PerToken(scheme));
        }
    }
}

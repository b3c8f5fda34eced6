using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// GPTQ: asymmetric grids per output channel or group, activations symmetric per token or group. Blocks are calibrated on what the already
/// quantized blocks give. With min-max grids it is the published method; with searched ones, more is compensated (<see cref="CompensationOptions"/>).
/// </summary>
internal sealed class GptqMethod : IQuantizationMethod
{
    public string Name => "gptq";

    public string Summary => "GPTQ: rounding errors compensated in later columns, on searched grids and towards the float model's outputs";

    public bool NeedsCalibration => true;

    public IReadOnlyList<MethodOption> Options => CompensationOptions.All;

    public MethodOptions Settle(MethodOptions options, QuantizationScheme scheme, ICalibrationDevice? device, Action<string> say) => options.WithoutDefaults(Options, CompensationOptions.Read);

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated)
    {
        scheme.RequireSymmetric(weights: false, activations: true);
        _ = CompensationOptions.Read(options);
    }

    public IBlockQuantizer Prepare(QuantizationContext context) => new Quantizer(context, CompensationOptions.Read(context.Options));

    private sealed class Quantizer : IBlockQuantizer, IDisposable
    {
        private readonly QuantizationScheme _scheme;
        private readonly BlockCompensation _compensation;

        public Quantizer(QuantizationContext context, CompensationOptions options)
        {
            QuantizationScheme scheme = _scheme = context.Scheme.Layer;
            _compensation = new BlockCompensation(context, options, scheme.WeightFormat, Grids, new GridKind(false, scheme.LargestWeightCode, context.Scales));
            WeightCodes Grids(LinearWeights linear, float[] weights) => RoundToNearest.Codes(weights, linear.OutputFeatures, linear.InputFeatures(), scheme, context.Scales);
        }

        public CalibrationInputs Inputs => CalibrationInputs.Quantized;

        public JsonObject? Manifest => null;

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<string, WeightCodes> codes = _compensation.Quantize(index, block, stream!);
            return new QuantizedBlock(block.MapLinears(l => l.WithQuantized(codes[l.Name].ToLinear(l.Bias, RoundToNearest.PerToken(_scheme)), _scheme)));
        }

        public void Dispose() => _compensation.Dispose();
    }
}

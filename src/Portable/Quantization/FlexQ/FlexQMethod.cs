using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlexQ;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlexQ;

/// <summary>
/// FlexQ: symmetric groups for weights and activations, with 8-bit activations kept where the sensitivity analysis says so
/// (with calibration), or where the authors' published outcome does (without).
/// </summary>
internal sealed class FlexQMethod : IQuantizationMethod
{
    private const string State = "flexq-sensitivity";
    private static readonly MethodOption Budget = new("a8-budget", "rule", "largest share of multiply-adds with 8-bit activations, 0 … 1; rule = the share of down_proj (OPT: fc2)");
    private static readonly MethodOption Granularity = new("a8-by", "best", "unit of the decision: type (over all blocks), layer (single linears), best (whichever measures better)");
    private static readonly MethodOption Refine = new("refine", "off", "refinement of the weights: off, gptq (compensates rounding errors; needs calibration)");

    public string Name => "flexq";

    public string Summary => "FlexQ: symmetric groups for weights and activations, 8-bit activations where a sensitivity analysis asks for them";

    public bool NeedsCalibration => false;

    public IReadOnlyList<MethodOption> Options => [Budget, Granularity, Refine];

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        FlexQQuantizer.Check(context.Scheme);
        MethodOptions options = context.Options;
        double? budget = options.Text(Budget) == "rule" ? null : options.Number(Budget, 0, 1);
        SensitivityOptions sensitivity = new(budget, options.Choice(Granularity, "type", "layer", "best"));
        bool refine = options.Choice(Refine, "off", "gptq") == "gptq";
        if (refine && context.Calibration is null)
        {
            throw new MethodUsageException("refine gptq needs a calibration text.", "refine");
        }

        if (budget is not null && context.Calibration is null)
        {
            throw new MethodUsageException("a8-budget needs a calibration text: without one the authors' rule is used.", "a8-budget");
        }

        return new Quantizer(context.Scheme.Layer, context.Scales, Decide(context, sensitivity), sensitivity.HighBits, refine);
    }

    /// <summary>The table, or null where there is nothing to measure with or nothing to decide.</summary>
    private static SensitivityTable? Decide(QuantizationContext context, SensitivityOptions options)
    {
        if (context.Scheme.ActivationBits >= options.HighBits)
        {
            context.Say($"activations have {context.Scheme.ActivationBits} bits everywhere: no sensitivity analysis");
            return null;
        }

        if (context.Calibration is null)
        {
            context.Say("no calibration text: 8-bit activations by the authors' rule (down_proj; OPT fc2)");
            return null;
        }

        SensitivityTable? table = context.Recall(State) is { } kept ? SensitivityTable.FromJson(kept) : null;
        if (table is null)
        {
            table = SensitivityAnalysis.Run(context, options);
            context.Keep(State, table.ToJson());
        }

        foreach (string line in table.Describe())
        {
            context.Say(line);
        }

        return table;
    }

    private sealed class Quantizer(QuantizationScheme scheme, ScaleFormat scales, SensitivityTable? table, int highBits, bool refine) : IBlockQuantizer
    {
        private readonly HashSet<string>? _retained = table?.Retained.ToHashSet();

        public CalibrationInputs Inputs => refine ? CalibrationInputs.Quantized : CalibrationInputs.None;

        public JsonObject? Manifest { get; } = new()
        {
            ["activations"] = table is not null ? "sensitivity analysis" : scheme.ActivationBits >= highBits ? "uniform" : "authors' rule: 8 bits on down_proj (OPT: fc2)",
            ["sensitivity"] = table?.ToJson(),
            ["refine"] = refine ? "gptq" : "off",
        };

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<string, WeightCodes> codes = refine ? Refined(block, stream!) : block.Linears.ToDictionary(l => l.Name, Nearest);
            return new QuantizedBlock(block.MapLinears(linear =>
            {
                QuantizationScheme own = Retains(linear) ? scheme.WithActivationBits(highBits) : scheme;
                return linear.WithQuantized(codes[linear.Name].ToLinear(linear.Bias, FlexQQuantizer.Input(own.ActivationBits, own.GroupSize)), own);
            }));
        }

        private bool Retains(LinearWeights linear) =>
            scheme.ActivationBits < highBits && (_retained?.Contains(linear.Name) ?? SensitivityAnalysis.AuthorsRule(linear.TypeName()));

        private WeightCodes Nearest(LinearWeights linear)
        {
            float[] weights = linear.ReadWeights();
            WeightCodes codes = FlexQQuantizer.Grids(weights, linear.OutputFeatures, linear.InputFeatures(), scheme, scales);
            codes.Round(weights);
            return codes;
        }

        private Dictionary<string, WeightCodes> Refined(BlockWeights block, BlockStream stream)
        {
            GptqOptions options = new();
            using BlockHessians hessians = BlockHessians.Observe(block, stream);
            Dictionary<string, WeightCodes> refined = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                foreach ((LinearWeights linear, float[] weights, IColumnFactor factor) in hessians.Factorise(block, input, options))
                {
                    WeightCodes codes = FlexQQuantizer.Grids(weights, linear.OutputFeatures, linear.InputFeatures(), scheme, scales);
                    factor.Quantize(weights, codes.Rows, codes.Grid, codes.Codes, options.Rounding);
                    refined.Add(linear.Name, codes);
                }
            }

            return refined;
        }
    }
}

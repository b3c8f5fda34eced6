using System.Globalization;
using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// FlattenQuant: smoothing, per-tensor static scales made fine by flattening large channels, INT4 or INT8 per fused linear
/// group by KL divergence, GPTQ on the compact grid. Where no norm stands before a part (OLMo 2) its input is flattened as it is.
/// </summary>
internal sealed class FlattenMethod : IQuantizationMethod
{
    public string Name => "flatten";

    public string Summary => "FlattenQuant: per-tensor static scales, large channels flattened into several; W4A4 = INT4/INT8 mix, W8A8 = all INT8";

    public bool NeedsCalibration => true;

    public IReadOnlyList<MethodOption> Options => FlattenSettings.All;

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated) => _ = FlattenSettings.Read(options, scheme);

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        FlattenSettings settings = FlattenSettings.Read(context.Options, context.Scheme);
        IReadOnlyList<FlattenFinding> findings = FlattenAnalysis.Run(context, settings);
        WidthCandidate[] candidates = [.. findings.Select(f => new WidthCandidate(f.MultiplyAdds, settings.UsesModelDivergence ? f.ModelDivergence : f.LowDivergence, f.HighDivergence))];
        bool[] low = !settings.Mixed ? new bool[candidates.Length] : settings.Decision switch
        {
            "limit" => WidthDecision.ByLimit(candidates, settings.Limit),
            "ratio" => WidthDecision.ByRatio(candidates, settings.Ratio),
            _ => WidthDecision.ByBudget(candidates, settings.Budget, perMultiplyAdd: settings.UsesModelDivergence),
        };
        double share = WidthDecision.Share(candidates, low);
        if (settings.Mixed)
        {
            context.Say(string.Create(CultureInfo.InvariantCulture, $"INT4 on {low.Count(x => x)} of {low.Length} linear groups, {share:P2} of the linear multiply-adds"));
        }

        return new Quantizer(settings, findings, low, share);
    }

    private sealed class Quantizer(FlattenSettings settings, IReadOnlyList<FlattenFinding> findings, bool[] low, double share) : IBlockQuantizer
    {
        public CalibrationInputs Inputs => settings.Gptq ? CalibrationInputs.Quantized : CalibrationInputs.Float;

        public string? CpuPart => "searches of ranges";

        public JsonObject? Manifest { get; } = new()
        {
            ["int4_share"] = share,
            ["decision"] = settings.Mixed ? settings.Decision : "all INT8",
            ["kl"] = settings.UsesModelDivergence ? "model" : "outputs",
            ["ranges"] = settings.Search ? "search" : "boxplot",
            ["alpha"] = settings.Alpha,
            ["beta"] = settings.Flatten.Beta,
            ["flatten_weights"] = settings.Flatten.FlattenWeights,
            ["fold"] = settings.FoldWhere,
            ["gptq"] = settings.Gptq,
        };

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<BlockInput, (FlattenFinding Finding, bool Low)> decided = findings
                .Select((f, i) => (Finding: f, Low: low[i])).Where(f => f.Finding.Block == index).ToDictionary(f => f.Finding.Input);
            ScaledBlock scaled = settings.Scale(block, decided.ToDictionary(d => d.Key, d => d.Value.Finding), input => decided[input].Low);
            Dictionary<BlockInput, FlattenPlan> plans = decided.ToDictionary(d => d.Key, d => d.Value.Finding.Ranges(d.Value.Low).Plan);
            using FlattenHessians statistics = FlattenHessians.Observe(block, scaled, plans, stream!, settings);

            Dictionary<string, QuantizedLinear> quantized = [];
            Dictionary<string, QuantizationScheme> schemes = [];
            Dictionary<string, IReadOnlyDictionary<string, double>> details = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                FlattenPlan plan = plans[input];
                foreach ((LinearWeights linear, FlattenedLinear layer) in statistics.Quantize(block.Reading(input), input, settings.Damping))
                {
                    quantized.Add(linear.Name, layer.Pack(scaled.Bias(linear), settings.ActivationGroup));
                    schemes.Add(linear.Name, settings.Scheme(plan.Bits));
                    details.Add(linear.Name, new Dictionary<string, double>
                    {
                        ["kl"] = plan.Bits == 4 ? decided[input].Finding.LowDivergence : decided[input].Finding.HighDivergence,
                        ["model_kl4"] = decided[input].Finding.ModelDivergence,
                        ["expansion"] = FlexQ.SensitivityTable.Rounded(plan.Expansion),
                        ["clipped"] = statistics.Clipped(input),
                    });
                }
            }

            return new QuantizedBlock(block.MapLinears(l => l.WithQuantized(quantized[l.Name], schemes[l.Name])).MapNorms((norm, _) => scaled.Norm(norm)))
            {
                InputFactors = scaled.InputFactors,
                OutputFactors = scaled.OutputFactors,
                Details = details,
            };
        }
    }
}

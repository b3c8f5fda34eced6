using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Reference.Training;

namespace Portable.Quantization.AbqLlm;

/// <summary>
/// Quantizes blocks by reconstruction: both teachers run once over the calibration windows, the student is trained, and its
/// integers become the block. The runtime then moves the quantized stream through exactly those integers.
/// </summary>
internal sealed class BlockReconstruction : IBlockQuantizer, IDisposable
{
    private readonly QuantizationContext _context;
    private readonly AbqOptions _options;
    private readonly ITrainingDevice _device;
    private readonly TeacherStream _teacher;
    private readonly int _samples, _tokens;
    private readonly Stopwatch _watch = new();
    private int _trained;

    public BlockReconstruction(QuantizationContext context, AbqOptions options, string arithmetic)
    {
        (_context, _options) = (context, options);
        _device = context.Device?.CreateTraining(arithmetic) ?? new CpuTraining();
        CalibrationSet calibration = context.Calibration!;
        (_samples, _tokens) = (calibration.Windows.Count, calibration.Context);
        _teacher = new TeacherStream(context, _device, options.ComparesAttention, options.BothTeachers);
    }

    public CalibrationInputs Inputs => CalibrationInputs.Quantized;

    /// <inheritdoc/>
    public string? CpuPart => (_options is { Clipping: true, SearchedGrids: true }, _options.Attention == AttentionDivergence.Published) switch
    {
        (true, true) => "searched grids and the published attention divergence",
        (true, false) => "searched grids",
        (false, true) => "the published attention divergence",
        _ => null,
    };

    /// <summary>The recipe in force, every part and rate.</summary>
    public JsonObject? Manifest => new() { ["training"] = JsonSerializer.SerializeToNode(_options, AbqOptionsJson.Default.AbqOptions) };

    public void Dispose()
    {
        _teacher.Dispose();
        _device.Dispose();
    }

    public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
    {
        _watch.Start();
        QuantizationScheme scheme = _context.Scheme;
        string name = block[BlockSlot.Down].Name[..block[BlockSlot.Down].Name.IndexOf($".{index}.", StringComparison.Ordinal)] + $".{index}";
        BlockStatistics statistics = _teacher.Prepare(index, block, stream!);
        BlockWidths widths = new(scheme.LargestWeightCode, scheme.GroupSize, scheme.ActivationBits, scheme.KeyValueBits, scheme.ActivationGroupSize, _context.Scales);
        using IBlockStudent student = _device.CreateStudent(block, widths, _options, statistics, _tokens, _options.HasRankOne(index, _context.Source.Config.Layers), _teacher.MemoryOf);
        BlockTrainer trainer = new(student, _options, name);
        TrainingReport report = trainer.Train(_samples, _teacher.Read, new Live(this, index, name), _context.Cancellation);
        double left = Remaining(index, TimeSpan.Zero);
        _trained++;
        _context.Say(FormattableString.Invariant($"{name}: loss {report.LossBefore:g4} -> {report.LossAfter:g4}, {report.Steps} steps, {report.Elapsed.TotalSeconds:f1} s, {TimeLeft.Text(left)} left"));
        return Fold(block, student, report, name);
    }

    /// <summary>Estimate of the seconds left in all blocks, in block <paramref name="index"/> with its own rest.</summary>
    private double Remaining(int index, TimeSpan inBlock)
    {
        double whole = (_watch.Elapsed + inBlock).TotalSeconds / (_trained + 1);
        return inBlock.TotalSeconds + (_context.Source.Config.Layers - index - 1) * whole;
    }

    private QuantizedBlock Fold(BlockWeights block, IBlockStudent student, TrainingReport report, string name)
    {
        QuantizationScheme scheme = _context.Scheme.Layer;
        ActivationQuantizer input = scheme.ActivationBits == 16
            ? new ActivationQuantizer(new CodeFormat(16, signed: true), ActivationMode.Symmetric, 0)
            : new ActivationQuantizer(new CodeFormat(scheme.ActivationBits, signed: false), ActivationMode.Asymmetric, scheme.ActivationGroupSize);
        Dictionary<string, float[]> inputFactors = [], outputFactors = [];
        LinearWeights Map(BlockSlot which, LinearWeights linear)
        {
            TrainedLinear result = student.Fold(which);
            GroupLayout layout = new(linear.InputFeatures(), scheme.GroupSize);
            WeightGrid[] grids = [.. result.Scales.Zip(result.ZeroPoints, (s, z) => new WeightGrid(s, z, 0, scheme.LargestWeightCode))];
            WeightCodes codes = new(linear.OutputFeatures, layout, scheme.WeightFormat, grids);
            result.Codes.CopyTo(codes.Codes, 0);
            inputFactors.Add(linear.Name, result.InputFactors);
            outputFactors.Add(linear.Name, [.. result.OutputFactors.Select(f => 1 / f)]);
            return linear.WithQuantized(codes.ToLinear(result.Bias, input), scheme);
        }

        BlockWeights weights = block.MapLinears(Map).MapNorms((norm, _) => new NormWeights(student.Norm(norm).Gain, student.Norm(norm).Bias));
        return new QuantizedBlock(weights)
        {
            InputFactors = inputFactors,
            OutputFactors = outputFactors,
            Training = new BlockTraining(name, report.LossBefore, report.LossAfter, report.Steps, report.Elapsed.TotalSeconds),
            Details = new Dictionary<string, IReadOnlyDictionary<string, double>>
            {
                [block[BlockSlot.Down].Name] = new Dictionary<string, double>
                {
                    ["block_loss_before"] = Math.Round(report.LossBefore, 9),
                    ["block_loss_after"] = Math.Round(report.LossAfter, 9),
                    ["block_steps"] = report.Steps,
                },
            },
        };
    }

    private sealed class Live(BlockReconstruction owner, int index, string name) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => owner._context.Progress(
            FormattableString.Invariant($"{name} loss {value.Loss:g4}, {value.Step * owner._tokens / value.Elapsed.TotalSeconds:f0} tokens/s, {TimeLeft.Text(value.Remaining.TotalSeconds)} left in the block, {TimeLeft.Text(owner.Remaining(index, value.Remaining))} in all"), value.Step, value.Steps);
    }
}

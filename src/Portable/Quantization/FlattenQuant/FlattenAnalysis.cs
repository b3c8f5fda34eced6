using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// The first pass over the float model: channel maxima of every input, and the divergence of every fused group's outputs at
/// 4 and at 8 bits (weights rounded to nearest), on windows that the maxima did not see.
/// </summary>
internal static class FlattenAnalysis
{
    private const string State = "flatten-analysis";

    public static IReadOnlyList<FlattenFinding> Run(QuantizationContext context, FlattenSettings settings)
    {
        if (context.Recall(State) is JsonArray kept)
        {
            return [.. kept.Select(n => FlattenFinding.FromJson(n!))];
        }

        ModelConfig config = context.Source.Config;
        IReadOnlyList<int[]> all = context.Calibration!.Windows, held = context.Calibration.ReportWindows;
        using BlockStream maximaStream = context.OpenStream(all.Count >= 4 * held.Count ? [.. all.Skip(held.Count)] : all, 32);
        using BlockStream heldStream = context.OpenStream(held, 32);
        List<FlattenFinding> findings = [];

        // Where a device computes, the windows pass the next block while the host searches ranges of this one.
        using BlockReader reader = new(context.Source, ahead: context.Device is not null);
        using OrderedWork aside = new(concurrent: context.Device is not null);
        (BlockWeights Block, Dictionary<BlockInput, InputStatistics> Statistics)? next = null;
        void Pass(int index) => aside.Run(() =>
        {
            BlockWeights block = reader.Load(index);
            next = (block, Observe(block, maximaStream, heldStream));
        });

        Pass(0);
        for (int index = 0; index < config.Layers; index++)
        {
            context.Progress("channel maxima and divergences", index, config.Layers);
            aside.Finish();
            (BlockWeights block, Dictionary<BlockInput, InputStatistics> statistics) = next!.Value;
            if (index + 1 < config.Layers)
            {
                Pass(index + 1);
            }

            using LinearOutputs outputs = new(heldStream.Device);
            FoldingTrials trials = new(block.Layout, settings, (folds, bits) => new FlattenTrial(block, settings, statistics, outputs, folds, bits, context.Cancellation), concurrent: context.Device is not null);
            foreach (BlockInput input in BlockInputs.All)
            {
                long work = block.Reading(input).Sum(l => (long)l.OutputFeatures * l.InputFeatures());
                FlattenTrial? low = settings.Mixed ? trials.Of(input, 4) : null;
                FlattenTrial high = trials.Of(input, 8);
                findings.Add(new FlattenFinding(
                    index,
                    input,
                    work,
                    statistics[input].Maxima,
                    low?.Ranges(input),
                    high.Ranges(input),
                    FlexQ.SensitivityTable.Rounded(low?.Compare(input).Divergence ?? 0),
                    FlexQ.SensitivityTable.Rounded(high.Compare(input).Divergence),
                    trials.Folded.Contains(input)));
            }
        }

        context.Progress("channel maxima and divergences", config.Layers, config.Layers);
        if (settings.UsesModelDivergence)
        {
            double[] divergences = ModelDivergences.Measure(context, settings, findings);
            findings = [.. findings.Select((f, i) => f with { ModelDivergence = divergences[i] })];
        }

        context.Keep(State, new JsonArray([.. findings.Select(f => f.ToJson())]));
        return findings;
    }

    /// <summary>Passes both streams through a float block.</summary>
    private static Dictionary<BlockInput, InputStatistics> Observe(BlockWeights block, BlockStream maximaStream, BlockStream heldStream)
    {
        ICalibrationDevice device = maximaStream.Device;
        Dictionary<BlockInput, IColumnMaxima> maxima = BlockInputs.All.ToDictionary(i => i, i => device.CreateMaxima(block.Layout.Columns(i)));
        Dictionary<BlockInput, IMagnitudeCounts> counts = BlockInputs.All.ToDictionary(i => i, i => device.CreateMagnitudes(block.Layout.Columns(i)));
        try
        {
            maximaStream.Advance(block, BlockInputs.All.ToDictionary(i => i, i => (IInputSums)new SeveralSums(maxima[i], counts[i])));
            Dictionary<BlockInput, float[]> held = BlockInputs.All.ToDictionary(i => i, i => GC.AllocateUninitializedArray<float>(checked((int)(heldStream.Tokens * block.Layout.Columns(i)))));
            Dictionary<BlockInput, int> filled = BlockInputs.All.ToDictionary(i => i, _ => 0);
            heldStream.Advance(block, (input, values, rows) =>
            {
                Copy(values, held[input].AsSpan(filled[input]));
                filled[input] += values.Length;
            });
            return BlockInputs.All.ToDictionary(i => i, i => new InputStatistics(maxima[i].Read(), counts[i].Read(), held[i]));
        }
        finally
        {
            foreach (IInputSums sums in maxima.Values.Concat<IInputSums>(counts.Values))
            {
                sums.Dispose();
            }
        }
    }

    /// <summary>Copies by all threads: memory that nobody has touched is slow to write.</summary>
    private static unsafe void Copy(ReadOnlySpan<float> values, Span<float> target)
    {
        fixed (float* source = values, destination = target[..values.Length])
        {
            float* from = source, to = destination;
            RowRanges.Run(values.Length, 1, (first, count) => new ReadOnlySpan<float>(from + first, count).CopyTo(new Span<float>(to + first, count)));
        }
    }

    /// <summary>Several sums over one input.</summary>
    private sealed class SeveralSums(params IInputSums[] each) : IInputSums
    {
        public void Add(Executor executor, DeviceInput input, int rows)
        {
            foreach (IInputSums sums in each)
            {
                sums.Add(executor, input, rows);
            }
        }

        public void Dispose()
        {
        }
    }
}

using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Quantization;

/// <summary>What a method is given: the model, the scheme, the options, calibration windows, and where to say and keep things.</summary>
internal sealed class QuantizationContext
{
    /// <summary>The float model.</summary>
    public required IModelSource Source { get; init; }

    /// <summary>The scheme asked for.</summary>
    public required QuantizationScheme Scheme { get; init; }

    /// <summary>What the scales of weights are rounded to, before codes are chosen.</summary>
    public ScaleFormat Scales { get; init; } = ScaleFormat.Half;

    /// <summary>The options.</summary>
    public required MethodOptions Options { get; init; }

    /// <summary>Calibration windows, or null without a calibration text.</summary>
    public CalibrationSet? Calibration { get; init; }

    /// <summary>Streams open their hidden states here.</summary>
    public required StreamStorage Storage { get; init; }

    /// <summary>Where calibration computes; null = the CPU.</summary>
    public ICalibrationDevice? Device { get; init; }

    /// <summary>What was kept of an interrupted run under a name, or null.</summary>
    public required Func<string, JsonNode?> Recall { get; init; }

    /// <summary>Keeps an intermediate result for a resumed run.</summary>
    public required Action<string, JsonNode> Keep { get; init; }

    /// <summary>Says something to the user, one line.</summary>
    public required Action<string> Say { get; init; }

    /// <summary>Warns the user of something that the result will suffer from or that was asked for in vain, one line.</summary>
    public required Action<string> Warn { get; init; }

    /// <summary>Reports progress of the preparation: what, done, total.</summary>
    public required Action<string, int, int> Progress { get; set; }

    /// <summary>Told what a method begins to do with a block, for blocks that take long; cancels there, too.</summary>
    public Action<string> Step { get; set; } = _ => { };

    /// <summary>Cancels the run.</summary>
    public required CancellationToken Cancellation { get; init; }

    /// <summary>A stream of hidden states over calibration windows.</summary>
    /// <param name="windows">Token windows.</param>
    /// <param name="keyValueBits">KV cache of the blocks that will run; 32 for float blocks.</param>
    /// <param name="embedding">What to embed with; null = the model's own.</param>
    public BlockStream OpenStream(IReadOnlyList<int[]> windows, int keyValueBits, TableWeights? embedding = null) => new(Source, windows, keyValueBits, Storage, Device, Cancellation, embedding);
}

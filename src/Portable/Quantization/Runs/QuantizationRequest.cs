using System.Text.Json.Nodes;
using Portable.Checkpoints.Format;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Runs;

/// <summary>A quantization to run: what <c>portable quantize</c> is told.</summary>
internal sealed record QuantizationRequest
{
    /// <summary>Directory of the float checkpoint.</summary>
    public required string Model { get; init; }

    /// <summary>Name of the method.</summary>
    public required string Method { get; init; }

    /// <summary>The scheme.</summary>
    public required QuantizationScheme Scheme { get; init; }

    /// <summary>Directory to make.</summary>
    public required string Output { get; init; }

    /// <summary>Version of the checkpoint format to write, 1 or 2. Codes are chosen for the scales that it holds.</summary>
    public int Format { get; init; } = PortableFormat.NewestVersion;

    /// <summary>Calibration and method options.</summary>
    public MethodOptions Options { get; init; } = new();

    /// <summary>Bytes of calibration streams kept in memory; what is beyond lies in a temporary file. The result does not depend on it.</summary>
    public long StreamBudget { get; init; } = Calibration.StreamStorage.DefaultBudget;

    /// <summary>Where calibration computes; null = the CPU. The result does not depend on it, unless training is told to multiply by matrix units (<c>arithmetic</c>).</summary>
    public Calibration.ICalibrationDevice? Device { get; init; }

    /// <summary>Replace a finished checkpoint.</summary>
    public bool Overwrite { get; init; }
}

/// <summary>Progress of a quantization: a step of a stage, or a message.</summary>
/// <param name="Stage">What is going on.</param>
/// <param name="Done">Steps done.</param>
/// <param name="Total">Steps of the stage; 0 for a message.</param>
/// <param name="Message">One line for the user, or null.</param>
/// <param name="Warning">Whether the message warns.</param>
public sealed record QuantizationProgress(string Stage, int Done, int Total, string? Message = null, bool Warning = false);

/// <summary>Outcome of a quantization.</summary>
/// <param name="Method">Name of the method.</param>
/// <param name="Scheme">The scheme asked for.</param>
/// <param name="Layers">A report per linear, in model order.</param>
/// <param name="BytesBefore">Bytes of the float checkpoint's tensor files.</param>
/// <param name="BytesAfter">Bytes of the quantized checkpoint's tensor files.</param>
/// <param name="Seconds">Wall time of this run (of a resumed one, its own part).</param>
/// <param name="Training">What training each block did, in model order; empty where the method trains nothing.</param>
/// <param name="Facts">What the method found or decided, as in the manifest, or null.</param>
public sealed record QuantizationResult(string Method, QuantizationScheme Scheme, IReadOnlyList<LayerReport> Layers, long BytesBefore, long BytesAfter, double Seconds, IReadOnlyList<BlockTraining> Training, JsonObject? Facts)
{
    /// <summary>The object that <c>quantize --json</c> prints.</summary>
    public JsonObject ToJson() => new()
    {
        ["method"] = Method,
        ["scheme"] = Scheme.ToString(),
        ["layers"] = new JsonArray([.. Layers.Select(LayerReports.ToJson)]),
        ["bytes_before"] = BytesBefore,
        ["bytes_after"] = BytesAfter,
        ["seconds"] = Seconds,
        ["training"] = Training.Count == 0 ? null : new JsonArray([.. Training.Select(t => t.ToJson())]),
        ["facts"] = Facts?.DeepClone(),
    };
}

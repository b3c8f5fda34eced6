using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Quantization;

/// <summary>
/// A row of the method table. Methods are objects without state; what a run needs lives in the
/// <see cref="IBlockQuantizer"/> that <see cref="Prepare"/> returns.
/// </summary>
internal interface IQuantizationMethod
{
    /// <summary>Name on the command line.</summary>
    string Name { get; }

    /// <summary>One line for help.</summary>
    string Summary { get; }

    /// <summary>Whether a calibration text must be given.</summary>
    bool NeedsCalibration { get; }

    /// <summary>Named options that it understands.</summary>
    IReadOnlyList<MethodOption> Options { get; }

    /// <summary>The options as manifests have them: everything named that is otherwise chosen by the device, and nothing that only spells out a default.</summary>
    /// <param name="options">The options.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="device">Where calibration computes; null = the CPU.</param>
    /// <param name="say">Told what was chosen and why, a line each.</param>
    /// <exception cref="MethodUsageException">An option is out of range, or the device cannot serve it.</exception>
    MethodOptions Settle(MethodOptions options, QuantizationScheme scheme, ICalibrationDevice? device, Action<string> say) => options;

    /// <summary>Checks scheme and options; asked before anything is read.</summary>
    /// <param name="options">The options; their calibration text is not looked at.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="calibrated">Whether there is a calibration text.</param>
    /// <exception cref="MethodUsageException">The method cannot serve the scheme or an option.</exception>
    /// <exception cref="FormatException">The scheme is refused by a quantizer.</exception>
    void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated);

    /// <summary>Does what must be done before the first block (an analysis of the whole model), with what <see cref="Check"/> has taken.</summary>
    IBlockQuantizer Prepare(QuantizationContext context);
}

/// <summary>Quantizes the blocks of one model in order.</summary>
internal interface IBlockQuantizer
{
    /// <summary>Which stream of calibration inputs <see cref="Quantize"/> is given.</summary>
    CalibrationInputs Inputs { get; }

    /// <summary>What, with the options in force, computes on the CPU although a calibration device was chosen, in words; null where nothing does but rounding on grids.</summary>
    string? CpuPart => null;

    /// <summary>What the method found or decided, for the manifest; null for nothing.</summary>
    JsonObject? Manifest { get; }

    /// <summary>Quantizes a block.</summary>
    /// <param name="index">Index of the block.</param>
    /// <param name="block">Its float weights.</param>
    /// <param name="stream">Hidden states that enter the block, or null without calibration.</param>
    QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream);
}

/// <summary>The calibration inputs of a block.</summary>
internal enum CalibrationInputs
{
    /// <summary>None.</summary>
    None,

    /// <summary>What the float model's earlier blocks give.</summary>
    Float,

    /// <summary>What the already quantized blocks give: errors made so far can be compensated.</summary>
    Quantized,
}

/// <summary>A quantized block and what its report should say beyond the errors.</summary>
/// <param name="Weights">All linears quantized, each with its scheme; norms as the method left them.</param>
internal sealed record QuantizedBlock(BlockWeights Weights)
{
    /// <summary>Factors that the method divided a linear's input by (and multiplied its weight columns by), by module name.</summary>
    public IReadOnlyDictionary<string, float[]> InputFactors { get; init; } = new Dictionary<string, float[]>();

    /// <summary>Factors that the method divided a linear's output by (rows and bias), by module name.</summary>
    public IReadOnlyDictionary<string, float[]> OutputFactors { get; init; } = new Dictionary<string, float[]>();

    /// <summary>What training the block did, or null where the method trains nothing.</summary>
    public BlockTraining? Training { get; init; }

    /// <summary>More numbers of the report, by module name and key (kl, expansion, clipped).</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, double>> Details { get; init; } = new Dictionary<string, IReadOnlyDictionary<string, double>>();
}

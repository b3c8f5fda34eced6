using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>The calibration that a checkpoint was made with.</summary>
/// <param name="Sha256">Of the text.</param>
/// <param name="Samples">Windows that were used.</param>
/// <param name="Context">Tokens of a window.</param>
/// <param name="Seed">Seed of every random choice.</param>
internal sealed record InspectCalibration(string Sha256, int Samples, int Context, int Seed);

/// <summary>How a checkpoint was made, as its manifest has it and the command line names it.</summary>
/// <param name="Method">The method.</param>
/// <param name="Scheme">The scheme that was asked for.</param>
/// <param name="Format">Version of the checkpoint format.</param>
/// <param name="Contract">Version of the float contract, or null where the manifest does not say.</param>
/// <param name="Options">The method's options in force (recipe, grid, arithmetic, …), without those that follow from others.</param>
/// <param name="Calibration">The calibration, or null.</param>
/// <param name="Inputs">SHA-256 of the float checkpoint's files by name.</param>
internal sealed record InspectOrigin(
    string Method, string Scheme, int Format, int? Contract, IReadOnlyDictionary<string, string> Options, InspectCalibration? Calibration, IReadOnlyDictionary<string, string> Inputs)
{
    private const string CalibrationKey = "calibration";

    /// <summary>Reads it.</summary>
    /// <param name="path">The manifest's path, for errors.</param>
    /// <param name="manifest">The manifest.</param>
    public static InspectOrigin Of(string path, Manifest manifest)
    {
        JsonFields fields = new(path, manifest.Root);
        Dictionary<string, string> recorded = Texts(fields, "options"), options = [];
        foreach (MethodOption option in QuantizationMethod.All.FirstOrDefault(m => m.Name == manifest.Method)?.Options ?? [])
        {
            // What is not recorded is what was done before there was the option.
            string? value = recorded.Remove(option.Name, out string? told) ? told : option.Unrecorded;
            if (value is not null)
            {
                options[option.Name] = value;
            }
        }

        InspectCalibration? calibration = null;
        if (fields.Has("options") && fields.Object("options") is var own && own.Has(CalibrationKey))
        {
            JsonFields told = own.Object(CalibrationKey);
            calibration = new(told.Text("sha256"), told.Integer("samples", 0, int.MaxValue), told.Integer("context", 0, int.MaxValue), told.Integer("seed", int.MinValue, int.MaxValue));
        }

        return new InspectOrigin(
            manifest.Method, manifest.Scheme, manifest.Version, fields.Has("contract") ? fields.Integer("contract", 0, int.MaxValue) : null,
            options.Concat(recorded).Where(o => o.Key != CalibrationKey && o.Value.Length > 0).ToDictionary(), calibration, Texts(fields, "inputs"));
    }

    /// <summary>The same for people: a part of a command line, and what it read; paragraphs.</summary>
    public IEnumerable<string> Lines()
    {
        const int Digits = 12, Most = 4;
        yield return $"made by --method {Method} --scheme {Scheme} --format {Format}{string.Concat(Options.Select(o => $" --{o.Key} {o.Value}"))}";
        yield return Calibration is { } c ? $"calibration: --samples {c.Samples} --context {c.Context} --seed {c.Seed}, text of SHA-256 {c.Sha256}" : "calibration: none";
        string inputs = string.Join(", ", Inputs.Take(Most).Select(i => $"{i.Key} {i.Value[..Math.Min(Digits, i.Value.Length)]}"));
        yield return $"inputs (SHA-256): {inputs}{(Inputs.Count > Most ? $", and {Inputs.Count - Most} more (--json lists all)" : "")}{(Contract is { } version ? $"; float contract {version}" : "")}";
    }

    private static Dictionary<string, string> Texts(JsonFields fields, string name) =>
        fields.Has(name) ? fields.Object(name).Element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.ToString()) : [];
}

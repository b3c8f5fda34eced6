using Portable.Quantization;
using Portable.Quantization.Runs;

namespace Portable;

/// <summary>A method of quantization as a value: which, and its own options. Immutable.</summary>
public sealed class QuantizationMethod
{
    private readonly IQuantizationMethod _method;

    private QuantizationMethod(IQuantizationMethod method, IReadOnlyDictionary<string, string> settings) => (_method, Settings) = (method, settings);

    /// <summary>All methods.</summary>
    public static IReadOnlyList<QuantizationMethod> All { get; } = [.. QuantizationMethods.All.Select(m => new QuantizationMethod(m, new Dictionary<string, string>()))];

    /// <summary>Round to nearest: the plain baseline, no calibration.</summary>
    public static QuantizationMethod RoundToNearest { get; } = Parse("rtn");

    /// <summary>SmoothQuant: activation outliers moved into the weights.</summary>
    public static QuantizationMethod SmoothQuant { get; } = Parse("smoothquant");

    /// <summary>GPTQ: rounding errors compensated in later columns.</summary>
    public static QuantizationMethod Gptq { get; } = Parse("gptq");

    /// <summary>OmniQuant: learned clipping and smoothing.</summary>
    public static QuantizationMethod OmniQuant { get; } = Parse("omniquant");

    /// <summary>FlexQ: group-wise weights and activations of 6 bits, 8 where a layer is sensitive.</summary>
    public static QuantizationMethod FlexQ { get; } = Parse("flexq");

    /// <summary>ABQ-LLM: learned smoothing, clipping and compensation.</summary>
    public static QuantizationMethod AbqLlm { get; } = Parse("abq");

    /// <summary>FlattenQuant: large channels of the activations split over several.</summary>
    public static QuantizationMethod FlattenQuant { get; } = Parse("flatten");

    /// <summary>Its name, as <see cref="Parse"/> takes it.</summary>
    public string Name => _method.Name;

    /// <summary>What it does, on one line.</summary>
    public string Summary => _method.Summary;

    /// <summary>Whether a calibration text must be given.</summary>
    public bool NeedsCalibration => _method.NeedsCalibration;

    /// <summary>The options of its own that <see cref="With"/> sets.</summary>
    public IReadOnlyList<MethodOption> Options => _method.Options;

    /// <summary>The options that have been set, by name.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; }

    /// <summary>A method by name.</summary>
    /// <param name="name">One of <see cref="All"/>'s: rtn, smoothquant, gptq, omniquant, flexq, abq, flatten.</param>
    /// <exception cref="MethodUsageException">There is none of that name.</exception>
    public static QuantizationMethod Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return new(QuantizationMethods.Find(name), new Dictionary<string, string>());
    }

    /// <summary>The method with an option set. An option that it does not have is accepted; the run says that it is not used.</summary>
    /// <param name="option">Name of the option.</param>
    /// <param name="value">Its value as text; checked when the run starts.</param>
    public QuantizationMethod With(string option, string value)
    {
        ArgumentNullException.ThrowIfNull(option);
        ArgumentNullException.ThrowIfNull(value);
        return new(_method, new Dictionary<string, string>(Settings) { [option] = value });
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(' ', Settings.Select(s => $"{s.Key}={s.Value}").Prepend(Name));
}

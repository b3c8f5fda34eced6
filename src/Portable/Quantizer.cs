using Portable.Calibration;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Quantization;

namespace Portable;

/// <summary>
/// Makes a quantized checkpoint from a float one. The same settings give the same bytes, whatever the device and the number of
/// threads, but for methods that train by a GPU's matrix units (their option arithmetic); an interrupted run goes on where it stopped when it is run again.
/// </summary>
public sealed record Quantizer
{
    /// <summary>Directory of the float checkpoint, as Hugging Face lays it out.</summary>
    public required string Source { get; init; }

    /// <summary>The method, with its own options.</summary>
    public required QuantizationMethod Method { get; init; }

    /// <summary>Bits of weights, activations, KV cache, embedding and head, and sizes of groups.</summary>
    public required QuantizationScheme Scheme { get; init; }

    /// <summary>Directory to make.</summary>
    public required string Output { get; init; }

    /// <summary>
    /// Version of the checkpoint format to write: 2, the default, with scales of 16 bits, packed zero points and groups of activations; or 1, which
    /// older versions of this library read.
    /// </summary>
    public int Format { get; init; } = PortableFormat.NewestVersion;

    /// <summary>Text to calibrate on, and never to evaluate on; null, the default = none.</summary>
    public string? CalibrationText { get; init; }

    /// <summary>Calibration windows, at least 1; 128 unless said.</summary>
    public int CalibrationWindows { get; init; } = new MethodOptions().Samples;

    /// <summary>Tokens of a calibration window, at least 2; 512 unless said.</summary>
    public int CalibrationContext { get; init; } = new MethodOptions().Context;

    /// <summary>Seed of every random choice; 0 unless said.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Where calibration computes: passes of calibration windows through the model, sums over their inputs, and training; the CPU unless
    /// said. The result is the CPU's, byte for byte, unless the method's option arithmetic says otherwise.
    /// </summary>
    public Device Device { get; init; } = Device.Cpu;

    /// <summary>Bytes of calibration inputs kept in memory; what is beyond lies in a temporary file. At least 0; 1 GiB unless said.</summary>
    public long CalibrationMemory { get; init; } = StreamStorage.DefaultBudget;

    /// <summary>Replace a finished checkpoint, and discard an unfinished one with other settings; false unless said.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Quantizes.</summary>
    /// <param name="progress">Told of steps and messages, or null.</param>
    /// <param name="cancellation">Stops in good order; what is finished stays, and the next run goes on from there.</param>
    /// <returns>What was done to each layer.</returns>
    /// <exception cref="MethodUsageException">The method cannot serve the scheme or an option.</exception>
    /// <exception cref="FormatException">The method's quantizer refuses the scheme.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged or in the way.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="ArgumentException">A property is null or out of range, or the calibration text too short.</exception>
    /// <exception cref="ArithmeticException">The float model does not compute finite values; the message names the layer.</exception>
    /// <exception cref="NonFiniteLossException">Training diverged; the message names the block.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public QuantizationResult Run(IProgress<QuantizationProgress>? progress = null, CancellationToken cancellation = default)
    {
        Check(CalibrationText is not null);
        using OpenedDevice? device = Device == Device.Cpu ? null : Device.Open(line => progress?.Report(new QuantizationProgress("device", 0, 0, line, Warning: true)));
        return QuantizationRun.Run(Request((device as ICalibrationSource)?.CreateCalibration()), progress, cancellation);
    }

    /// <summary>Quantizes without holding up the caller; see <see cref="Run"/>.</summary>
    /// <param name="progress">Told of steps and messages, or null.</param>
    /// <param name="cancellation">Stops in good order; what is finished stays, and the next run goes on from there.</param>
    /// <returns>What was done to each layer.</returns>
    /// <exception cref="MethodUsageException">The method cannot serve the scheme or an option.</exception>
    /// <exception cref="FormatException">The method's quantizer refuses the scheme.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged or in the way.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="ArgumentException">A property is null or out of range, or the calibration text too short.</exception>
    /// <exception cref="ArithmeticException">The float model does not compute finite values; the message names the layer.</exception>
    /// <exception cref="NonFiniteLossException">Training diverged; the message names the block.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Task<QuantizationResult> RunAsync(IProgress<QuantizationProgress>? progress = null, CancellationToken cancellation = default) =>
        Task.Run(() => Run(progress, cancellation), cancellation);

    /// <summary>Checks method, scheme, format and options, before the calibration text is read.</summary>
    /// <param name="calibrated">Whether there will be one.</param>
    internal void Check(bool calibrated)
    {
        Validate();
        QuantizationRun.Check(Request(null), calibrated);
    }

    private QuantizationRequest Request(ICalibrationDevice? device) => new()
    {
        Model = Source,
        Method = Method.Name,
        Scheme = Scheme,
        Output = Output,
        Format = Format,
        Overwrite = Overwrite,
        StreamBudget = CalibrationMemory,
        Device = device,
        Options = new MethodOptions
        {
            CalibrationText = CalibrationText,
            Samples = CalibrationWindows,
            Context = CalibrationContext,
            Seed = Seed,
            Named = Method.Settings,
        },
    };

    private void Validate()
    {
        ArgumentNullException.ThrowIfNull(Source);
        ArgumentNullException.ThrowIfNull(Method);
        ArgumentNullException.ThrowIfNull(Scheme);
        ArgumentNullException.ThrowIfNull(Output);
        ArgumentNullException.ThrowIfNull(Device);
        ArgumentOutOfRangeException.ThrowIfLessThan(CalibrationWindows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(CalibrationContext, 2);
        ArgumentOutOfRangeException.ThrowIfNegative(CalibrationMemory);
    }
}

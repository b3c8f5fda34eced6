using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Portable.Benchmarking;
using Portable.Calibration;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Execution;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.Training;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench quantize</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Shape">Name of the shape.</param>
/// <param name="Method">The method.</param>
/// <param name="Scheme">The scheme.</param>
/// <param name="Options">The method's own options in force, as a checkpoint's manifest would have them; the others have their defaults.</param>
/// <param name="Windows">Calibration windows; 0 = without calibration, as a method that needs none runs without a text.</param>
/// <param name="Context">Tokens of each; 0 without.</param>
/// <param name="BlocksOfShape">Blocks of the whole shape.</param>
/// <param name="PreparationSeconds">Before the first block: the check of the model, and what the method analyses of it.</param>
/// <param name="PreparationStages">Of these, by what progress called it; what came before the first report of progress is called starting.</param>
/// <param name="BlockSeconds">Each block: quantized, reported, and passed by what enters the next.</param>
/// <param name="PeakDeviceBytes">The most memory of the device's own that was taken at one time, preparation included; null on the CPU.</param>
/// <param name="HostSeconds">Of these, by what the host waited for.</param>
/// <param name="Operations">Milliseconds of each operation of the passes on a GPU, over all blocks.</param>
internal sealed record BenchQuantizeReport(
    string Device, string Shape, string Method, string Scheme, IReadOnlyDictionary<string, string> Options, int Windows, int Context, int BlocksOfShape, double PreparationSeconds, IReadOnlyDictionary<string, double> PreparationStages,
    IReadOnlyList<double> BlockSeconds, long? PeakDeviceBytes,
    IReadOnlyDictionary<string, double> HostSeconds, IReadOnlyDictionary<string, double> Operations)
{
    /// <summary>Seconds of the whole shape's blocks, were all as the first.</summary>
    public double WholeSecondsAsFirst => BlockSeconds[0] * BlocksOfShape;

    /// <summary>Seconds of this preparation and the whole shape's blocks, one as the first and the others as <see cref="LaterBlock"/>.</summary>
    public double WholeSecondsAsLater => PreparationSeconds + BlockSeconds[0] + (BlockSeconds[LaterBlock] * (BlocksOfShape - 1));

    /// <summary>Index of the block that stands for later ones: the first builds kernels; the last is not passed by the windows, and waits for its own report.</summary>
    public int LaterBlock => BlockSeconds.Count > 2 ? 1 : BlockSeconds.Count - 1;
}

/// <summary>Measures how long a method takes for a block of a well-known shape with synthetic weights.</summary>
internal sealed class BenchQuantizeVerb : Verb
{
    private const int UsualContext = 2048;

    private readonly Option<string> _shape = new("--shape") { Description = $"One of {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _method = new("--method") { Description = $"One of {string.Join(", ", QuantizationMethod.All.Select(m => m.Name))}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _scheme = new("--scheme") { Description = "The scheme, for example W4A16g128.", HelpName = "S", Required = true };
    private readonly Option<int> _samples = new("--samples")
    {
        Description = $"Calibration windows (default: {new MethodOptions().Samples}; with {string.Join(" and ", QuantizationMethod.All.Where(m => !m.NeedsCalibration).Select(m => m.Name))} none unless this or --context is given, as quantize has none without --calibration).",
        HelpName = "N",
    };

    private readonly Option<int> _context = new("--context") { Description = $"Tokens per calibration window (default: {UsualContext}, or the shape's context where that is less).", HelpName = "N" };
    private readonly Option<int> _blocks = new("--blocks") { Description = "Blocks to run; the last is not passed by the windows.", HelpName = "N", DefaultValueFactory = _ => 2 };
    private readonly Option<int> _memory = new("--memory") { Description = "Memory for calibration, MiB; the rest goes to a file.", HelpName = "MIB", DefaultValueFactory = _ => (int)(StreamStorage.DefaultBudget >> 20) };
    private readonly Option<string> _device = DeviceOption.Create("Where calibration computes");
    private readonly MethodArguments _named;

    /// <summary>Defines the verb.</summary>
    public BenchQuantizeVerb()
        : base(
            "quantize",
            "Measures how long a method takes for a block of a well-known shape with synthetic weights; nothing is written.",
            new Example("portable bench quantize --shape llama-7b --method gptq --scheme W4A16g128 --device vulkan", "two blocks on the best GPU"),
            new Example("portable bench quantize --shape llama-7b --method flexq --scheme W6A6g128 --recipe paper --samples 128 --device vulkan", "with an option of the method, and calibration, which flexq has only where it is asked for"))
    {
        _named = new MethodArguments(_method);
        foreach (Option option in (Option[])[_shape, _method, _scheme, _samples, _context, _blocks, _memory, _device, .. _named.Options])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override string? Arrange(ParseResult parsed) => _named.Arrange(parsed, "portable bench quantize");

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        List<string> unused = [];
        QuantizationMethod chosen = _named.Apply(parsed, OptionValues.Method(parsed.GetValue(_method)!), unused.Add);
        try
        {
            return Measure(parsed, chosen, unused, terminal, cancellation);
        }
        catch (MethodUsageException e)
        {
            throw UsageException.Of(chosen.Name, e);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private int Measure(ParseResult parsed, QuantizationMethod chosen, List<string> unused, Terminal terminal, CancellationToken cancellation)
    {
        string name = parsed.GetValue(_shape)!;
        IQuantizationMethod method = QuantizationMethods.Find(chosen.Name);
        QuantizationScheme scheme = OptionValues.Scheme(parsed.GetValue(_scheme)!);
        ModelConfig whole = OptionValues.Shape(name);
        bool calibrated = chosen.NeedsCalibration || Given(_samples) || Given(_context);
        int samples = Given(_samples) ? OptionValues.AtLeast(parsed, _samples, 1) : new MethodOptions().Samples, context = Given(_context) ? OptionValues.AtLeast(parsed, _context, 2) : Math.Min(UsualContext, whole.MaximumPositions), blocks = OptionValues.AtLeast(parsed, _blocks, 1);
        // The text stands for one: windows are random tokens.
        MethodOptions options = new() { Samples = samples, Context = context, Named = chosen.Settings, CalibrationText = calibrated ? "" : null };
        method.Check(options, scheme, calibrated);
        unused.ForEach(terminal.Warning);
        if (!calibrated && Given(_memory))
        {
            terminal.Warning($"{_memory.Name} is not used without {_samples.Name} or {_context.Name}");
        }

        using OpenedDevice opened = DeviceOption.Parse(parsed.GetValue(_device)!).Open(terminal);
        using SyntheticFloats source = new(whole with { Blocks = [.. whole.Blocks.Take(blocks)] });
        Random random = new(1);
        int[] tokens = [.. Enumerable.Range(0, calibrated ? checked(samples * context) : 0).Select(_ => random.Next(whole.VocabularySize))];
        Dictionary<string, double> operations = [];
        string device = "cpu";
        VulkanContext? used = null;
        void Count(string operation, double microseconds)
        {
            // Reports run beside the next block.
            lock (operations)
            {
                operations[operation] = operations.GetValueOrDefault(operation) + (microseconds / 1000);
            }
        }

        TimedCalibration? timed = opened is ICalibrationSource calibrates ? new TimedCalibration(calibrates.CreateCalibration(), Watch, Train) : null;
        void Train(ITrainingDevice training)
        {
            if (training is VulkanTraining gpu)
            {
                gpu.Profiled = Count;
            }
        }

        void Watch(Executor executor)
        {
            device = executor.Name;
            if (executor is VulkanExecutor gpu)
            {
                gpu.Profiling = true;
                gpu.Profiled = Count;
                used = gpu.Context;
            }
        }

        using StreamStorage storage = new(Path.Combine(Path.GetTempPath(), $"portable-bench-{Environment.ProcessId}"), (long)OptionValues.AtLeast(parsed, _memory, 0) << 20, timed);
        options = method.Settle(options, scheme, timed, terminal.Message);
        List<double> times = [];
        Dictionary<string, double> stages = [];
        string doing = "starting";
        double preparation = 0, staged = 0;
        long mark = Stopwatch.GetTimestamp();
        void Enter(string stage)
        {
            double now = Stopwatch.GetElapsedTime(mark).TotalSeconds;
            stages[doing] = stages.GetValueOrDefault(doing) + now - staged;
            (doing, staged) = (stage, now);
        }

        double Lap()
        {
            long now = Stopwatch.GetTimestamp();
            double seconds = Stopwatch.GetElapsedTime(mark, now).TotalSeconds;
            mark = now;
            return seconds;
        }

        terminal.Track("quantizing", bar =>
        {
            QuantizationContext run = new()
            {
                Source = source,
                Scheme = scheme,
                Options = options,
                Calibration = calibrated ? CalibrationSet.FromTokens(tokens, samples, context, 0) : null,
                Storage = storage,
                Device = timed,
                Recall = _ => null,
                Keep = (_, _) => { },
                Say = bar.Say,
                Warn = line => bar.Say($"warning: {line}"),
                Progress = (stage, done, total) =>
                {
                    bar.Start(stage);
                    bar.Report((double)done / total);
                    if (times.Count == 0 && preparation == 0)
                    {
                        Enter(stage);
                    }

                    if (stage == BlockPipeline.Stage && done == 0)
                    {
                        preparation = Lap();
                        timed?.Reset();
                        operations.Clear();
                    }
                    else if (stage == BlockPipeline.Stage)
                    {
                        times.Add(Lap());
                    }
                },
                Cancellation = cancellation,
            };
            BlockPipeline.Run(method, run, _ => null, (_, _, _) => { });
            return 0;
        });
        BenchQuantizeReport report = new(device, name, method.Name, scheme.ToString(), options.Named, calibrated ? samples : 0, calibrated ? context : 0, whole.Layers, preparation, stages, times, used?.PeakDeviceBytes, timed?.Seconds ?? new Dictionary<string, double>(), operations);
        terminal.Result(report, BenchReports.Default.BenchQuantizeReport, r => Print(terminal, r));
        return ExitCode.Done;

        bool Given(Option option) => parsed.GetResult(option) is { Implicit: false };
    }

    private static void Print(Terminal terminal, BenchQuantizeReport r)
    {
        string each = string.Join(", ", r.BlockSeconds.Select(s => s.ToString("F2", CultureInfo.InvariantCulture)));
        string options = string.Concat(r.Options.Select(o => $" --{o.Key} {o.Value}")), calibration = string.Create(CultureInfo.InvariantCulture, $"{r.Windows} × {r.Context} tokens");
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Shape} {r.Method}{options} {r.Scheme} on {r.Device}, {(r.Windows > 0 ? calibration : "no calibration")}: preparation {r.PreparationSeconds:F2} s, blocks {each} s; {r.BlocksOfShape} blocks as the first: {r.WholeSecondsAsFirst / 60:F1} minutes, one first and later ones as the {(r.LaterBlock == r.BlockSeconds.Count - 1 ? "last" : "second")}, this preparation included: {r.WholeSecondsAsLater / 60:F1}"));
        terminal.Line($"preparation: {string.Join(", ", r.PreparationStages.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key} {s.Value:F2} s")))}");
        if (r.PeakDeviceBytes is { } peak)
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"device memory: {peak / 1e9:F2} GB at most"));
        }

        if (r.HostSeconds.Count > 0)
        {
            terminal.Table(["between passes", ">s"], r.HostSeconds.Select(s => (string[])[s.Key, s.Value.ToString("F2", CultureInfo.InvariantCulture)]));
        }

        if (r.Operations.Count > 0)
        {
            terminal.Table(["operation of passes", ">s"], r.Operations.OrderByDescending(o => o.Value).Select(o => (string[])[o.Key, (o.Value / 1000).ToString("F2", CultureInfo.InvariantCulture)]));
        }
    }
}

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
/// <param name="Windows">Calibration windows.</param>
/// <param name="Context">Tokens of each.</param>
/// <param name="BlocksOfShape">Blocks of the whole shape.</param>
/// <param name="PreparationSeconds">Before the first block: the check of the model, and what the method analyses of it.</param>
/// <param name="PreparationStages">Of these, by what progress called it; what came before the first report of progress is called starting.</param>
/// <param name="BlockSeconds">Each block: quantized, reported, and passed by what enters the next.</param>
/// <param name="PeakDeviceBytes">The most memory of the device's own that was taken at one time, preparation included; null on the CPU.</param>
/// <param name="HostSeconds">Of these, by what the host waited for.</param>
/// <param name="Operations">Milliseconds of each operation of the passes on a GPU, over all blocks.</param>
internal sealed record BenchQuantizeReport(
    string Device, string Shape, string Method, string Scheme, int Windows, int Context, int BlocksOfShape, double PreparationSeconds, IReadOnlyDictionary<string, double> PreparationStages,
    IReadOnlyList<double> BlockSeconds, long? PeakDeviceBytes,
    IReadOnlyDictionary<string, double> HostSeconds, IReadOnlyDictionary<string, double> Operations);

/// <summary>Measures how long a method takes for a block of a well-known shape with synthetic weights.</summary>
internal sealed class BenchQuantizeVerb : Verb
{
    private const int UsualContext = 2048;

    private readonly Option<string> _shape = new("--shape") { Description = $"One of {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _method = new("--method") { Description = $"One of {string.Join(", ", QuantizationMethod.All.Select(m => m.Name))}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _scheme = new("--scheme") { Description = "The scheme, for example W4A16g128.", HelpName = "S", Required = true };
    private readonly Option<int> _samples = new("--samples") { Description = "Calibration windows.", HelpName = "N", DefaultValueFactory = _ => new MethodOptions().Samples };
    private readonly Option<int> _context = new("--context") { Description = "Tokens per calibration window (default: 2048, or the shape's context where that is less).", HelpName = "N" };
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
            new Example("portable bench quantize --shape llama-7b --method flexq --scheme W6A6g128 --recipe paper --device vulkan", "with an option of the method"))
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
        // What is timed must be what was asked for: an option that does nothing is no part of that.
        QuantizationMethod chosen = OptionValues.Method(parsed.GetValue(_method)!);
        chosen = _named.Apply(parsed, chosen, option => throw new UsageException($"{option} is not an option of --method {chosen.Name}", $"portable bench quantize --method {chosen.Name} --help"));
        try
        {
            return Measure(parsed, chosen, terminal, cancellation);
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

    private int Measure(ParseResult parsed, QuantizationMethod chosen, Terminal terminal, CancellationToken cancellation)
    {
        string name = parsed.GetValue(_shape)!;
        IQuantizationMethod method = QuantizationMethods.Find(chosen.Name);
        QuantizationScheme scheme = OptionValues.Scheme(parsed.GetValue(_scheme)!);
        ModelConfig whole = OptionValues.Shape(name);
        int samples = OptionValues.AtLeast(parsed, _samples, 1), context = parsed.GetResult(_context) is { Implicit: false } ? OptionValues.AtLeast(parsed, _context, 2) : Math.Min(UsualContext, whole.MaximumPositions), blocks = OptionValues.AtLeast(parsed, _blocks, 1);
        using OpenedDevice opened = DeviceOption.Parse(parsed.GetValue(_device)!).Open(terminal);
        using SyntheticFloats source = new(whole with { Blocks = [.. whole.Blocks.Take(blocks)] });
        Random random = new(1);
        int[] tokens = [.. Enumerable.Range(0, checked(samples * context)).Select(_ => random.Next(whole.VocabularySize))];
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
                Options = new MethodOptions { Samples = samples, Context = context, Named = chosen.Settings },
                Calibration = CalibrationSet.FromTokens(tokens, samples, context, 0),
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
        BenchQuantizeReport report = new(device, name, method.Name, scheme.ToString(), samples, context, whole.Layers, preparation, stages, times, used?.PeakDeviceBytes, timed?.Seconds ?? new Dictionary<string, double>(), operations);
        terminal.Result(report, BenchReports.Default.BenchQuantizeReport, r => Print(terminal, r));
        return ExitCode.Done;
    }

    private static void Print(Terminal terminal, BenchQuantizeReport r)
    {
        string each = string.Join(", ", r.BlockSeconds.Select(s => s.ToString("F2", CultureInfo.InvariantCulture)));

        // The first block builds kernels; the last is not passed by the windows, and waits for its own report.
        (double later, string which) = r.BlockSeconds.Count > 2 ? (r.BlockSeconds[1], "second") : (r.BlockSeconds[^1], "last");
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Shape} {r.Method} {r.Scheme} on {r.Device}, {r.Windows} × {r.Context} tokens: preparation {r.PreparationSeconds:F2} s, blocks {each} s; {r.BlocksOfShape} blocks as the first: {r.BlockSeconds[0] * r.BlocksOfShape / 60:F1} minutes, one first and later ones as the {which}, this preparation included: {(r.PreparationSeconds + r.BlockSeconds[0] + (later * (r.BlocksOfShape - 1))) / 60:F1}"));
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

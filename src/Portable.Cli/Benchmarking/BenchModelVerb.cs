using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Portable.Benchmarking;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Benchmarking;
using Portable.Reference.Quantization;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Model;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench model</c>.</summary>
/// <param name="Device">The device that served.</param>
/// <param name="Shape">Name of the shape.</param>
/// <param name="Scheme">The scheme.</param>
/// <param name="Context">Tokens of each prompt.</param>
/// <param name="Batch">Sequences that are decoded together.</param>
/// <param name="Blocks">Blocks that ran.</param>
/// <param name="BlocksOfShape">Blocks of the whole shape.</param>
/// <param name="PrefillTokensPerSecond">Prompt tokens per second, all sequences.</param>
/// <param name="DecodeTokensPerSecond">New tokens per second, all sequences.</param>
/// <param name="DecodeMilliseconds">Median time of one decode step.</param>
/// <param name="DecodeMeanMilliseconds">Mean time of one decode step.</param>
/// <param name="LoadSeconds">Time to make the weights and take them to the device.</param>
/// <param name="Operations">Milliseconds of each operation over the measured steps, with <c>--profile</c>.</param>
/// <param name="PrefillOperations">The same over the prompts.</param>
/// <param name="Floors">
/// The milliseconds that the bytes of each operation take at the measured rate of reading memory; on the CPU, those of its multiply-adds
/// at the measured rates where they are more.
/// </param>
/// <param name="PrefillFloors">The same over the prompts.</param>
/// <param name="Steps">Decode steps that were measured.</param>
/// <param name="Gpu">What a decode step takes of a GPU, or null.</param>
/// <param name="FirstPrefillTokensPerSecond">Prompt tokens per second of the process's first prompt, kernels and commands included.</param>
/// <param name="PrefillGpu">What a batch of a prompt takes of a GPU, or null.</param>
internal sealed record BenchModelReport(
    string Device, string Shape, string Scheme, int Context, int Batch, int Blocks, int BlocksOfShape, double PrefillTokensPerSecond,
    double DecodeTokensPerSecond, double DecodeMilliseconds, double DecodeMeanMilliseconds, double LoadSeconds, IReadOnlyDictionary<string, double>? Operations,
    IReadOnlyDictionary<string, double>? PrefillOperations, IReadOnlyDictionary<string, double>? Floors, IReadOnlyDictionary<string, double>? PrefillFloors, int Steps, GpuStepReport? Gpu, double FirstPrefillTokensPerSecond,
    GpuStepReport? PrefillGpu);

/// <summary>Measures prefill and decode of a model with synthetic weights.</summary>
internal sealed class BenchModelVerb : Verb
{
    private static readonly TimeSpan ClockRise = TimeSpan.FromSeconds(1);

    private readonly Option<string> _shape = new("--shape") { Description = $"One of {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _scheme = new("--scheme") { Description = "Scheme of every linear, of cache, embedding and head, for example W4A8, W6A6g128 or W4A8KV8H8.", HelpName = "S", Required = true };
    private readonly Option<int> _context = new("--context") { Description = "Tokens of each prompt.", HelpName = "N", DefaultValueFactory = _ => 512 };
    private readonly Option<int> _batch = new("--batch") { Description = "Sequences that are decoded together.", HelpName = "B", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _steps = new("--tokens") { Description = "Decode steps to measure.", HelpName = "N", DefaultValueFactory = _ => 16 };
    private readonly Option<int> _blocks = new("--blocks") { Description = "Run only the first N blocks (0 = all); the report says so.", HelpName = "N" };
    private readonly Option<bool> _profile = new("--profile") { Description = "Also print the time of each operation (adds overhead; a GPU then waits between all of them)." };
    private readonly Option<int> _watchdog = new("--watchdog") { Description = "Milliseconds after which the system is taken to reset a GPU: passes are cut so that no submission takes as long (0: 2,000, and none on software devices).", HelpName = "MS" };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public BenchModelVerb()
        : base(
            "model",
            "Measures prefill and decode of a well-known shape with synthetic weights.",
            new Example("portable bench model --shape llama-7b --scheme W4A8", "tokens per second on the CPU"),
            new Example("portable bench model --shape llama-3-8b --scheme W6A6g128 --context 1024 --batch 8 --device vulkan --json", "eight sequences on the best GPU"))
    {
        foreach (Option option in (Option[])[_shape, _scheme, _context, _batch, _steps, _blocks, _profile, _watchdog, _device])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string name = parsed.GetValue(_shape)!;
        QuantizationScheme widths = OptionValues.Scheme(parsed.GetValue(_scheme)!);
        int length = OptionValues.AtLeast(parsed, _context, 1), sequences = OptionValues.AtLeast(parsed, _batch, 1), count = OptionValues.AtLeast(parsed, _steps, 1);
        int limit = OptionValues.AtLeast(parsed, _blocks, 0), watchdog = OptionValues.AtLeast(parsed, _watchdog, 0);
        ModelConfig whole = OptionValues.Shape(name);
        ModelConfig config = limit > 0 ? whole with { Blocks = [.. whole.Blocks.Take(limit)] } : whole;
        if (length + count > config.MaximumPositions)
        {
            throw new UsageException($"--context {length} and --tokens {count} are more than the {config.MaximumPositions} positions of {name}");
        }

        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        HostRoom.Require(where, config, widths, sequences, length + count);
        using OpenedDevice opened = where.Open(terminal);
        Executor executor = opened.CreateExecutor();
        var gpu = executor as VulkanExecutor;
        ProfilingExecutor? profiler = parsed.GetValue(_profile) && gpu is null ? new ProfilingExecutor(executor) : null;
        gpu?.Profiling = parsed.GetValue(_profile);
        if (watchdog > 0)
        {
            (gpu ?? throw new UsageException("--watchdog is for GPUs: give --device vulkan")).Context.Watchdog = TimeSpan.FromMilliseconds(watchdog);
        }

        double stream = gpu is { Profiling: true } ? Rooflines.MeasureStream(gpu.Context) : 0;
        MachineRates? rates = profiler is null ? null : MachineRates.Measure();
        long start = Stopwatch.GetTimestamp();
        using Transformer model = terminal.Track("making weights", bar => new Transformer(
            new SyntheticModel(config, widths), profiler ?? executor, sequences, length + count, new Fraction(bar, config.Layers), cancellation));
        double load = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var report = terminal.Track("measuring", bar => Measure(model, length, sequences, count, profiler, rates, gpu, stream, bar, cancellation)) with
        {
            Shape = name,
            Scheme = widths.ToString(),
            BlocksOfShape = whole.Layers,
            LoadSeconds = load,
        };
        terminal.Result(report, BenchReports.Default.BenchModelReport, r => Print(terminal, r));
        return ExitCode.Done;
    }

    private static BenchModelReport Measure(Transformer model, int context, int sequences, int steps, ProfilingExecutor? profiler, MachineRates? rates, VulkanExecutor? gpu, double stream, IProgress<double> progress, CancellationToken cancellation)
    {
        var random = new Random(1);
        int Token() => random.Next(model.Config.VocabularySize);
        double total = sequences + steps;

        void Prompt(int sequence, GpuSteps? told)
        {
            for (int position = 0; position < context; position += model.MaximumRows)
            {
                cancellation.ThrowIfCancellationRequested();
                int[] tokens = [.. Enumerable.Range(0, Math.Min(model.MaximumRows, context - position)).Select(_ => Token())];
                long begin = Stopwatch.GetTimestamp();
                model.Forward(Batch.Consecutive(tokens, position, allLogits: false, sequence));
                told?.Add(Stopwatch.GetElapsedTime(begin).TotalSeconds);
            }
        }

        // What a process's first prompt pays once: kernels, memory, commands, and an idle GPU's low clock.
        long start = Stopwatch.GetTimestamp();
        Prompt(0, null);
        double first = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Warm(gpu, () => Prompt(0, null));
        var gpuPrompts = new GpuSteps(gpu);
        profiler?.Reset();
        start = Stopwatch.GetTimestamp();
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            Prompt(sequence, gpuPrompts);
            progress.Report((sequence + 1) / total);
        }

        double prefill = Stopwatch.GetElapsedTime(start).TotalSeconds;
        IReadOnlyDictionary<string, double>? promptTimes = profiler?.Milliseconds(), promptFloors = profiler?.Floors(rates!);
        int[] slots = [.. Enumerable.Range(0, sequences)];

        void FirstStep() => model.Forward(new Batch([.. slots.Select(_ => Token())], slots, [.. slots.Select(_ => context)], slots));
        FirstStep();
        Warm(gpu, FirstStep);
        profiler?.Reset();
        var gpuSteps = new GpuSteps(gpu);
        double[] times = new double[steps];
        for (int step = 0; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            int[] tokens = [.. slots.Select(_ => Token())], positions = [.. slots.Select(_ => context + step)];
            long begin = Stopwatch.GetTimestamp();
            model.Forward(new Batch(tokens, slots, positions, slots));
            times[step] = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            gpuSteps.Add(times[step]);
            progress.Report((sequences + step + 1) / total);
        }

        Array.Sort(times);
        double median = times[times.Length / 2], mean = times.Average();
        return new BenchModelReport(
            model.DeviceName, "", "", context, sequences, model.Config.Layers, 0, sequences * (double)context / prefill, sequences / median, median * 1000, mean * 1000, 0,
            gpuSteps.Operations() ?? profiler?.Milliseconds(), gpuPrompts.Operations() ?? promptTimes, gpuSteps.Floors(stream) ?? profiler?.Floors(rates!), gpuPrompts.Floors(stream) ?? promptFloors, steps, gpuSteps.Report(), context / first, gpuPrompts.Report());
    }

    // A GPU's clock rises while it works; what ran once before has its kernels and commands.
    private static void Warm(VulkanExecutor? gpu, Action pass)
    {
        long start = Stopwatch.GetTimestamp();
        while (gpu is not null && Stopwatch.GetElapsedTime(start) < ClockRise)
        {
            pass();
        }
    }

    private static void Print(Terminal terminal, BenchModelReport r)
    {
        string part = r.Blocks < r.BlocksOfShape ? $", {r.Blocks} of its {r.BlocksOfShape} blocks" : "";
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Shape} {r.Scheme}{part} on {r.Device}, {r.Batch} × {r.Context} tokens"));
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"prefill {r.PrefillTokensPerSecond:F1} tokens/s (the first prompt {r.FirstPrefillTokensPerSecond:F1})   decode {r.DecodeTokensPerSecond:F2} tokens/s ({r.DecodeMilliseconds:F2} ms a step)   loaded in {r.LoadSeconds:F1} s"));
        if (r.Gpu is { } gpu)
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"a step: {gpu.Dispatches} dispatches in {Submissions(gpu)}, host overhead {gpu.HostMicroseconds:F0} µs; device memory {gpu.MemoryBytes / 1e9:F3} GB"));
        }

        if (r.PrefillGpu is { } prompt)
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"a batch of the prompt: {prompt.Dispatches} dispatches in {Submissions(prompt)}"));
        }

        PrintOperations(terminal, "decode", ">µs a step", r.Operations, r.Floors, 1000.0 / r.Steps);
        PrintOperations(terminal, "prefill", ">ms", r.PrefillOperations, r.PrefillFloors, 1);
    }

    private static string Submissions(GpuStepReport gpu)
    {
        string longest = gpu.LongestSubmissionMilliseconds is { } ms ? string.Create(CultureInfo.InvariantCulture, $", the longest {ms:F2} ms by the device's timestamps") : "";
        string limit = gpu.WatchdogMilliseconds is { } watchdog ? string.Create(CultureInfo.InvariantCulture, $" (watchdog {watchdog:F0} ms)") : "";
        return $"{gpu.Submissions} submission{(gpu.Submissions == 1 ? "" : "s")}{longest}{limit}";
    }

    private static void PrintOperations(Terminal terminal, string title, string unit, IReadOnlyDictionary<string, double>? milliseconds, IReadOnlyDictionary<string, double>? floors, double scale)
    {
        if (milliseconds is null)
        {
            return;
        }

        string[] header = [title, unit, ">share", .. floors is null ? [] : (string[])[">floor"]];
        terminal.Table(header, milliseconds.OrderByDescending(o => o.Value).Select(o => (string[])
        [
            o.Key,
            (o.Value * scale).ToString("F2", CultureInfo.InvariantCulture),
            (o.Value / milliseconds.Values.Sum()).ToString("P1", CultureInfo.InvariantCulture),
            .. floors is null ? [] : (string[])[(floors[o.Key] * scale).ToString("F2", CultureInfo.InvariantCulture)],
        ]));
    }
}

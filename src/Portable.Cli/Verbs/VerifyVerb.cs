using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Verification;

namespace Portable.Cli.Verbs;

/// <summary>Proves that every kernel of every device gives the same bits.</summary>
internal sealed class VerifyVerb : Verb
{
    private readonly Option<string> _device = new("--device")
    {
        Description = "What to verify: cpu, vulkan[:N|:NAME], or all usable devices.",
        HelpName = "cpu|vulkan[:N]|all",
        DefaultValueFactory = _ => "cpu",
    };

    private readonly PathOption _report = new("--report")
    {
        Description = "Also write a file worth attaching to an issue: this machine's devices, drivers, hashes and first times, and nothing else.",
        HelpName = "FILE",
        IsWritten = true,
    };

    private readonly Option<int> _every = new("--every")
    {
        Description = "Run every Nth case only: a sample, with a hash of its own.",
        HelpName = "N",
        DefaultValueFactory = _ => 1,
    };

    private readonly Option<bool> _times = new("--times") { Description = "Also say what took how long: opening devices, building kernels, running the cases." };

    /// <summary>Defines the verb.</summary>
    public VerifyVerb()
        : base(
            "verify",
            "Runs one fixed list of seeded cases on every kernel of every device: all widths, signs, group sizes and shapes. Any bit that differs fails.",
            new Example("portable verify", "the CPU's kernels, and the hash to compare between machines"),
            new Example("portable verify --device all --json", "the CPU and every usable GPU"),
            new Example("portable verify --device all --report portable-report.json", "a file about this machine for an issue"))
    {
        Options.Add(_device);
        Options.Add(_report);
        Options.Add(_every);
        Options.Add(_times);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        long begun = Stopwatch.GetTimestamp();
        IReadOnlyList<IVerificationTarget> targets = VerificationTargets.Of(parsed.GetValue(_device)!, terminal);
        double opening = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        try
        {
            int step = OptionValues.AtLeast(parsed, _every, 1);
            VerificationCase[] cases = [.. VerificationCases.All.Where((_, i) => i % step == 0)];
            VerificationReport result = terminal.Track("verifying", bar => Verifier.Run(cases, targets, bar, cancellation));
            result = result with { Times = result.Times! with { OpeningSeconds = opening } };
            if (parsed.GetValue(_report) is { } file)
            {
                File.WriteAllBytes(file, JsonSerializer.SerializeToUtf8Bytes(MachineReport.Of(result, step), JsonReports.Default.MachineReport));
            }

            terminal.Result(parsed.GetValue(_times) ? result : result with { Times = null }, JsonReports.Default.VerificationReport, r => Print(terminal, r));
            return result.Passed ? ExitCode.Done : throw new InvalidOperationException("kernels or devices are not equal; the report names them");
        }
        finally
        {
            foreach (IDisposable target in targets.OfType<IDisposable>())
            {
                target.Dispose();
            }
        }
    }

    private static void Print(Terminal terminal, VerificationReport report)
    {
        terminal.Table(["target", "kernel", ">cases", ">mismatches"], report.Targets.SelectMany(t => t.Kernels.Select(k => (string[])
            [t.Name, k.Name, k.Cases.ToString(CultureInfo.InvariantCulture), k.Mismatches.ToString(CultureInfo.InvariantCulture)])));
        foreach (TargetReport target in report.Targets)
        {
            terminal.Line($"{target.Hash}  {target.Name}{(target.Hash == report.Hash ? "" : "  DIFFERS")}");
        }

        terminal.Line(report.Passed ? "equal, to the bit" : "NOT EQUAL");
        if (report.Times is { } times)
        {
            Print(terminal, times);
        }
    }

    private static void Print(Terminal terminal, VerificationTimes times)
    {
        IEnumerable<(string What, double Seconds)> rows =
        [
            ("opening devices", times.OpeningSeconds),
            ("operands, and results by the definition", times.ExpectedSeconds),
            .. times.Targets.SelectMany(t => new[] { ($"{t.Name}: {t.Built.Sum(b => b.Count)} kernels built ahead", t.PreparingSeconds), ($"{t.Name}: cases", t.RunningSeconds) }),
            .. times.Targets.SelectMany(t => t.Built, (t, b) => ($"{t.Name}: {b.Count} of {b.Shader} built, added up", b.Seconds)),
        ];
        terminal.Table(["time", ">s"], rows.Select(r => (string[])[r.What, r.Seconds.ToString("F1", CultureInfo.InvariantCulture)]));
    }
}

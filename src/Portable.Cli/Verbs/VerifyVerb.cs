using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Verification;

namespace Portable.Cli.Verbs;

/// <summary>Proves that every kernel of every device gives the same bits.</summary>
public sealed class VerifyVerb : Verb
{
    private readonly Option<string> device = new("--device")
    {
        Description = "What to verify: cpu, vulkan[:N|:NAME], or all usable devices.",
        HelpName = "cpu|vulkan[:N]|all",
        DefaultValueFactory = _ => "cpu",
    };

    /// <summary>Defines the verb.</summary>
    public VerifyVerb()
        : base(
            "verify",
            "Runs one fixed list of seeded cases on every kernel of every device: all widths, signs, group sizes and shapes. Any bit that differs fails.",
            new Example("portable verify", "the CPU's kernels, and the hash to compare between machines"),
            new Example("portable verify --device all --json", "the CPU and every usable GPU")) => Options.Add(device);

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        IReadOnlyList<IVerificationTarget> targets = VerificationTargets.Of(parsed.GetValue(device)!, terminal);
        try
        {
            VerificationReport report = terminal.Track("verifying", bar => Verifier.Run(targets, bar, cancellation));
            terminal.Result(report, JsonReports.Default.VerificationReport, r => Print(terminal, r));
            return report.Passed ? ExitCode.Done : throw new InvalidOperationException("kernels or devices are not equal; the report names them");
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
    }
}

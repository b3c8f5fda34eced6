using Portable.Verification;
using Xunit;

namespace Portable.Tests.Verification;

public class VerifierTests
{
    [Fact]
    public void TheListCoversEveryPairOfWidthsAndSigns()
    {
        IReadOnlyList<VerificationCase> cases = VerificationCases.All;
        Assert.True(cases.Count > 10_000, $"{cases.Count} cases");
        Assert.Equal(cases.Count, cases.Select(c => c.Index).Distinct().Count());
        Assert.Equal(8 * 9 * 4, cases.Where(c => !c.FiveLevels).Select(c => (c.Weights, c.Activations)).Distinct().Count());
        Assert.Equal(9 * 2, cases.Where(c => c.FiveLevels).Select(c => c.Activations).Distinct().Count());
        Assert.All(cases.GroupBy(c => (c.Weights, c.Activations, c.FiveLevels)), scheme =>
        {
            Assert.Superset(new HashSet<int> { 1, 63, 64, 65, 127, 128, 129 }, scheme.Select(c => c.Columns).ToHashSet());
            Assert.Contains(scheme, c => c.Layout.Groups > 1);
            Assert.Contains(scheme, c => c.Fill != CodeFill.Random);
        });
        Assert.All(Enum.GetValues<CodeFill>(), fill => Assert.Contains(cases, c => c.Fill == fill));
    }

    [Fact]
    public void EveryKernelOfTheProcessorEqualsTheDefinition()
    {
        VerificationCase[] sample = [.. VerificationCases.All.Where((_, i) => i % 23 == 0)];
        VerificationReport report = Verifier.Run(sample, [new CpuVerificationTarget()]);
        Assert.True(report.Passed);
        Assert.Equal(report.Hash, Assert.Single(report.Targets).Hash);
        Assert.All(report.Targets[0].Kernels, k => Assert.True(k is { Cases: > 0, Mismatches: 0 }, k.ToString()));
    }

    // A wrong half is no part of the hash, and a mismatch all the same.
    [Fact]
    public void WrongHalvesAreCaught()
    {
        VerificationCase[] sample = [.. VerificationCases.All.Take(300)];
        VerificationReport report = Verifier.Run(sample, [new CpuVerificationTarget(), new LyingTarget(halves: true)]);
        Assert.False(report.Passed);
        Assert.All(report.Targets, t => Assert.Equal(report.Hash, t.Hash));
        Assert.All(report.Targets[1].Kernels, k => Assert.Equal(1, k.Mismatches));
    }

    [Fact]
    public void AWrongTargetIsCaught()
    {
        VerificationCase[] sample = [.. VerificationCases.All.Take(300)];
        VerificationReport report = Verifier.Run(sample, [new CpuVerificationTarget(), new LyingTarget(halves: false)]);
        Assert.False(report.Passed);
        Assert.Equal(report.Hash, report.Targets[0].Hash);
        Assert.NotEqual(report.Hash, report.Targets[1].Hash);
        Assert.All(report.Targets[1].Kernels, k => Assert.Equal(1, k.Mismatches));
    }

    [Fact]
    public void ATargetIsPreparedOnceForAllCasesAndItsTimesAreTold()
    {
        VerificationCase[] sample = [.. VerificationCases.All.Take(600)];
        LyingTarget target = new(halves: true);
        VerificationReport report = Verifier.Run(sample, [target]);
        Assert.Equal(600, target.Prepared);
        TargetTimes times = Assert.Single(report.Times!.Targets);
        Assert.Equal("liar", times.Name);
        Assert.Equal(new BuiltKernels("lie", 2, 0.5), Assert.Single(times.Built));
        Assert.True(report.Times.ExpectedSeconds > 0 && times.RunningSeconds > 0 && times.PreparingSeconds >= 0);
    }

    // One bit of one case is wrong, of a float or of a half.
    private sealed class LyingTarget(bool halves) : IVerificationTarget
    {
        private readonly CpuVerificationTarget _cpu = new();

        public string Name => "liar";

        public IReadOnlyList<string> Kernels => [_cpu.Kernels[0]];

        public bool IsThreaded => false;

        public int Prepared { get; private set; }

        public IReadOnlyList<BuiltKernels> Built => [new("lie", 2, 0.5)];

        public void Prepare(IReadOnlyList<VerificationCase> cases) => Prepared += cases.Count;

        public bool Serves(string kernel, VerificationCase verificationCase) => true;

        public void Run(VerificationOperands operands, IReadOnlyList<string?> kernels, IReadOnlyList<VerificationOutput> outputs)
        {
            _cpu.Run(operands, kernels, outputs);
            foreach (VerificationOutput output in outputs.Where(_ => operands.Case.Index == 123))
            {
                output.Halves[^1] ^= (ushort)(halves ? 1 : 0);
                output.Outputs[^1] = halves ? output.Outputs[^1] : MathF.BitIncrement(output.Outputs[^1]);
            }
        }
    }
}

using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.BitPlanes;

/// <summary>Kernels with one deliberate fault each: the contract must catch every one, or it proves nothing about the others.</summary>
public unsafe class BrokenKernelTests
{
    public static TheoryData<string> Faults => [.. Broken.Faults.Keys];

    [Theory]
    [MemberData(nameof(Faults))]
    public void TheContractCatches(string fault)
    {
        MatmulKernel broken = new Broken(Broken.Faults[fault]);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() =>
        {
            for (int seed = 0; seed < 60; seed++)
            {
                KernelContract.Check(broken, MatmulCase.Create(
                    seed, 1 + seed % 6, 1 + seed * 7 % 70, 1 + seed * 37 % 300, seed % 3 * 50, 1 + seed % 8, seed % 2 == 1, seed % 9 == 8 ? 16 : 1 + seed % 9, seed % 5 < 2, (MatmulCase.Fill)(seed % 4)));
            }
        });
    }

    [Fact]
    public void TheSameKernelWithoutAFaultPasses() => KernelContract.Check(new Broken((null, false, false)), MatmulCase.Create(1, 5, 67, 300, 64, 5, true, 7, false));

    /// <summary>A correct kernel whose every sum passes through a fault.</summary>
    private sealed class Broken((Broken.Fault? Sum, bool Signless, bool Offsetless) fault) : MatmulKernel
    {
        private readonly MatmulKernel _inner = KernelTable.Rows.Single(k => k.Name == "scalar-bytes");

        public delegate int Fault(KernelTask task, int group, int row, int channel, int sum);

        public static Dictionary<string, (Fault? Sum, bool Signless, bool Offsetless)> Faults { get; } = new()
        {
            ["last channel dropped"] = ((t, _, _, n, s) => n > 0 && n == t.Channels - 1 ? 0 : s, false, false),
            ["last row dropped"] = ((t, _, m, _, s) => m > 0 && m == t.Rows - 1 ? 0 : s, false, false),
            ["high digit dropped"] = ((t, _, m, _, s) => t.Activations.Digits == 2 && m % 2 == 1 ? 0 : s, false, false),
            ["one lane off by one"] = ((t, _, _, n, s) => t.FirstChannel + n == 37 ? s + 1 : s, false, false),
            ["saturates"] = ((_, _, _, _, s) => Math.Clamp(s, short.MinValue, short.MaxValue), false, false),
            ["groups mixed"] = ((t, g, m, n, s) => g == 2 ? s / 2 : s, false, false),
            ["low bits lost"] = ((_, _, _, _, s) => (int)(float)(s | 1 << 25) ^ 1 << 25, false, false),
            ["weights' sign ignored"] = (null, true, false),
            ["activations' shift forgotten"] = (null, false, true),
        };

        public override string Name => "broken";

        public override string Requires => _inner.Requires;

        public override bool IsSupported => true;

        public override KernelTile Tile => _inner.Tile;

        public override int ActivationOffset(CodeFormat digit) => fault.Offsetless ? 0 : _inner.ActivationOffset(digit);

        public override int WeightOffset(CodeFormat weights) => fault.Signless ? 0 : _inner.WeightOffset(weights);

        public override double Cost(MatmulShape shape) => _inner.Cost(shape);

        public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => _inner.PackedRowBytes(layout, digit);

        public override void Pack(in ActivationRows rows, int firstRow, byte* packed) => _inner.Pack(rows, firstRow, packed);

        public override void Accumulate(in KernelTask task)
        {
            _inner.Accumulate(task);
            if (fault.Sum is not { } spoil)
            {
                return;
            }

            for (int row = 0; row < task.Rows; row++)
            {
                int* sums = task.SumsOf(task.FirstGroup, task.FirstRow + row);
                for (int channel = 0; channel < task.Channels; channel++)
                {
                    sums[channel] = spoil(task, task.FirstGroup, row, channel, sums[channel]);
                }
            }
        }
    }
}

using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Xunit;

namespace Portable.Tests.BitPlanes;

public class KernelChoiceTests
{
    [Fact]
    public void NamesAreUniqueAndTheDefinitionIsFirstAndAlwaysThere()
    {
        Assert.Equal(KernelTable.Rows.Count, KernelTable.Rows.Select(k => k.Name).Distinct().Count());
        Assert.Equal("scalar", KernelTable.Rows[0].Name);
        Assert.True(KernelTable.Rows[0].IsSupported);
        Assert.All(KernelTable.Rows, k => Assert.Equal(0, k.ChannelBlock % k.Tile.Channels));
    }

    [Fact]
    public void AnUnknownNameSaysWhatWouldWork()
    {
        KernelException e = Assert.Throws<KernelException>(() => KernelTable.Select(Shape(8, 8), "no-such-kernel"));
        Assert.Contains("no-such-kernel", e.Message, StringComparison.Ordinal);
        Assert.Contains("scalar", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnsupportedKernelSaysWhatItNeeds()
    {
        foreach (MatmulKernel kernel in KernelTable.Rows.Where(k => !k.IsSupported))
        {
            KernelException e = Assert.Throws<KernelException>(() => KernelTable.Select(Shape(4, 4), kernel.Name));
            Assert.Contains(kernel.Requires, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void PairsThatCouldSaturateAreRefused()
    {
        foreach (MatmulKernel kernel in KernelTable.Supported.Where(k => k.Name is "ssse3-bytes" or "avx2-bytes" or "avx512-bytes"))
        {
            Assert.Throws<KernelException>(() => KernelTable.Select(Shape(8, 8), kernel.Name));
            Assert.Throws<KernelException>(() => KernelTable.Select(Shape(8, 16), kernel.Name));
            Assert.Same(kernel, KernelTable.Select(Shape(7, 8), kernel.Name));
            Assert.Same(kernel, KernelTable.Select(Shape(8, 7), kernel.Name));
        }
    }

    [Fact]
    public void EverySchemeHasAKernelAndTheDefinitionIsNeverTheChoice()
    {
        foreach (int activations in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 16])
        {
            for (int weights = 1; weights <= 8; weights++)
            {
                Assert.NotEqual("scalar", KernelTable.Select(Shape(weights, activations)).Name);
            }
        }
    }

    [Fact]
    public void BaseFiveIsReadInPlaceByFewRowsAndByNothingElseThanItsKernel()
    {
        MatmulKernel[] readers = [.. KernelTable.Supported.Where(k => k.ReadsBaseFive)];
        MatmulShape few = new(1, 64, new GroupLayout(512), new CodeFormat(3, false), new CodeFormat(8, true));
        Assert.All(readers, k => Assert.Contains("base five", Assert.Throws<KernelException>(() => KernelTable.Select(few, k.Name)).Message, StringComparison.Ordinal));
        Assert.False(KernelTable.Select(few).ReadsBaseFive);
        Assert.Equal(readers.Length > 0, KernelTable.Select(few with { BaseFive = true }).ReadsBaseFive);
        MatmulShape many = new(512, 64, new GroupLayout(512), new CodeFormat(3, false), new CodeFormat(8, true)) { BaseFive = true };
        Assert.False(KernelTable.Select(many).ReadsBaseFive);
    }

    private static MatmulShape Shape(int weights, int activations) => new(4, 64, new GroupLayout(512), new CodeFormat(weights, false), new CodeFormat(activations, true));
}

using Portable.Execution;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Windows, softcaps, norms of queries and keys, and every kind of rotary positions: each attention kernel gives the managed CPU's bits.</summary>
[Collection("Vulkan")]
public sealed class AttentionFeatureTests(VulkanFixture vulkan)
{
    public static TheoryData<int, int, int, bool, int> Windows => new()
    {
        // Window, bits, head size, matrices, workgroups of a split context: around stretches of 64, and fewer places than the stretches that a window touches.
        { 1, 8, 16, false, 1 },
        { 2, 16, 16, true, 2 },
        { 40, 16, 20, false, 1 },
        { 41, 4, 32, true, 2 },
        { 63, 16, 32, false, 4 },
        { 64, 8, 48, true, 1 },
        { 65, 16, 48, true, 2 },
        { 66, 2, 16, false, 2 },
        { 100, 3, 20, true, 1 },
        { 128, 16, 64, false, 1 },
        { 129, 8, 32, false, 4 },
    };

    /// <summary>Tokens of three sequences in random pieces, past the end of the places twice and more; the CPU keeps the whole context.</summary>
    [SkippableTheory]
    [MemberData(nameof(Windows))]
    public void WindowsOverCachesThatWrapGiveTheCpusBits(int window, int bits, int headSize, bool matrices, int stretches)
    {
        const int Rows = 24, Context = 400;
        AttentionLayout layout = new(2, 1, headSize) { Window = window };
        CacheShape ring = CacheShape.For(layout, bits, 3, Context, Rows);
        Assert.True(ring.Wraps);
        Assert.Equal(window + Rows, ring.Capacity);
        Run(layout, new CacheShape(3, Context, 1, headSize, bits), ring, null, matrices, stretches, Rows, seed: window);
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 10)];

    /// <summary>Everything at once, drawn from a seed.</summary>
    [SkippableTheory]
    [MemberData(nameof(Seeds))]
    public void FeaturesGiveTheCpusBits(int seed)
    {
        const int Rows = 40, Context = 200;
        Random random = new(seed);
        int keyValueHeads = 1 << random.Next(3), headSize = 4 * random.Next(2, 20), pairs = headSize / 2 * random.Next(5) / 4, bits = seed % 2 == 0 ? 16 : random.Next(2, 9);
        AttentionLayout layout = new(keyValueHeads * random.Next(1, 4), keyValueHeads, headSize)
        {
            QueryKeyNorm = (QueryKeyNorm)(seed % 3),
            Softcap = random.Next(2) == 0 ? 0 : (float)(random.NextDouble() * 30),
            Window = random.Next(2) == 0 ? 0 : random.Next(1, 180),
            Scale = random.Next(3) switch { 0 => 1f / 3, 1 => 1e-5f, _ => (float)(1 / Math.Sqrt(headSize)) },
        };
        RotaryScaling? scaling = random.Next(2) == 0 ? null : new YarnRotaryScaling(4, 16, 32, 1, true, 1.1, random.Next(2) * 0.3);
        RotaryTable? rotary = pairs == 0 ? null : new RotaryTable(Context, 2 * pairs, 10000, scaling);
        Run(layout, new CacheShape(3, Context, keyValueHeads, headSize, bits), CacheShape.For(layout, bits, 3, Context, Rows), rotary, random.Next(2) == 0, random.Next(1, 4), Rows, seed);
    }

    /// <summary>Norms over heads and widths of many stretches of 64 values: queries as wide as those of models in use.</summary>
    [SkippableTheory]
    [InlineData(20, 4, 128, false)]
    [InlineData(9, 3, 256, true)]
    [InlineData(1, 1, 512, true)]
    public void WideNormsGiveTheCpusBits(int heads, int keyValueHeads, int headSize, bool perHead)
    {
        AttentionLayout layout = new(heads, keyValueHeads, headSize) { QueryKeyNorm = perHead ? QueryKeyNorm.Heads : QueryKeyNorm.Width };
        CacheShape cache = new(3, 40, keyValueHeads, headSize, 16);
        Run(layout, cache, cache, new RotaryTable(40, headSize / 2, 10000), false, 1, 12, 3);
    }

    private void Run(AttentionLayout layout, CacheShape whole, CacheShape cache, RotaryTable? rotary, bool matrices, int stretches, int maximumRows, int seed)
    {
        AttentionChoice choice = new() { MatrixRows = matrices ? 1 : int.MaxValue, Workgroups = 3 * layout.Heads * stretches, SplitTokens = 0 };
        using CpuExecutor cpu = new();
        using VulkanExecutor gpu = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false, maximumRows) { Choice = choice };
        RandomAttention expected = new(cpu, layout, whole, seed, rotary), actual = new(gpu, layout, cache, seed, rotary);
        Random random = new(seed);
        int[] lengths = [0, 0, 0];
        while (lengths.Max() < whole.Capacity - maximumRows)
        {
            bool single = random.Next(3) > 0;
            int first = single ? 1 : random.Next(1, maximumRows - 8), second = single ? random.Next(2) : random.Next(8), third = single ? random.Next(2) : random.Next(maximumRows - first - second);
            (int, int)[] parts = [.. lengths.Zip([first, second, third])];
            Assert.Equal(expected.Forward(parts).Select(BitConverter.SingleToInt32Bits), actual.Forward(parts).Select(BitConverter.SingleToInt32Bits));
            lengths = [.. parts.Select(p => p.Item1 + p.Item2)];
        }

        VulkanFixture.AssertNoValidationMessages();
    }
}

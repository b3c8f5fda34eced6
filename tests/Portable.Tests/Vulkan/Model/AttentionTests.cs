using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Tests.Support;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Every attention kernel gives the managed CPU's bits: with and without cooperative matrices.</summary>
[Collection("Vulkan")]
public sealed class AttentionTests(VulkanFixture vulkan)
{
    public static TheoryData<int, int, int, int> Shapes => new()
    {
        // Head size, heads, KV heads, bits of the cache.
        { 32, 2, 2, 8 },
        { 16, 4, 2, 4 },
        { 64, 4, 1, 2 },
        { 128, 2, 1, 8 },
        { 20, 2, 2, 3 },
        { 80, 2, 1, 5 },
        { 40, 2, 2, 7 },
        { 48, 1, 1, 6 },
        { 48, 3, 1, 16 },
        { 16, 4, 4, 16 },
        { 128, 2, 1, 16 },
        { 256, 1, 1, 16 },
        { 512, 1, 1, 16 },
        { 20, 2, 2, 16 },
    };

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void MatricesGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits) => Prefill(headSize, heads, kvHeads, bits, new AttentionChoice { MatrixRows = 1 });

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void NoMatricesGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits) => Prefill(headSize, heads, kvHeads, bits, new AttentionChoice { MatrixRows = int.MaxValue });

    public static TheoryData<int, int, int, int> LeanShapes => new()
    {
        { 64, 4, 1, 2 },
        { 20, 2, 2, 3 },
        { 128, 2, 1, 8 },
        { 48, 3, 1, 16 },
        { 128, 2, 1, 16 },
    };

    /// <summary>What compilers with few registers are given: nothing held or loaded ahead in tiles, half as many words in flight in steps.</summary>
    [SkippableTheory]
    [MemberData(nameof(LeanShapes))]
    public void LeanKernelsGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits)
    {
        CacheShape cache = new(3, 260, kvHeads, headSize, bits);
        Assert.Contains(AttentionTile.Candidates(vulkan.Context.Facts, cache), t => t.Lean);
        List<Shader> planted = [];
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        gpu.Faults = new FaultInjection { Plant = Lean };
        using VulkanExecutor executor = new(gpu, SelfCheck.Of(vulkan.Context), false) { Choice = new AttentionChoice { MatrixRows = 1 } };
        using CpuExecutor cpu = new();
        RandomAttention actual = new(executor, heads, cache, headSize + bits, bits % 2 == 0), expected = new(cpu, heads, cache, headSize + bits, bits % 2 == 0);
        foreach ((int, int)[] parts in new (int, int)[][] { [(0, 70), (0, 3), (0, 19)], [(70, 41), (3, 1), (19, 128)], [(111, 1), (4, 1), (147, 1)] })
        {
            Assert.Equal(expected.Forward(parts).Select(BitConverter.SingleToInt32Bits), actual.Forward(parts).Select(BitConverter.SingleToInt32Bits));
        }

        Assert.Contains(planted, s => s is AttentionMatrixShader);
        Assert.Equal(bits == 16, planted.Any(s => s is DecodeDigitsShader));
        VulkanFixture.AssertNoValidationMessages();

        Shader Lean(Shader shader)
        {
            Shader lean = shader switch
            {
                AttentionMatrixShader a => a with { Lean = true },
                DecodeDigitsShader d => d with { Lean = true },
                _ => shader,
            };
            if (lean != shader)
            {
                planted.Add(lean);
            }

            return lean;
        }
    }

    public static TheoryData<int, int, int, int, int> DecodeShapes => new()
    {
        // Head size, heads, KV heads, bits, capacity of the cache: beyond 2,048 tokens a stretch, scores exceed shared memory.
        { 32, 2, 2, 8, 640 },
        { 16, 4, 2, 4, 4300 },
        { 64, 2, 1, 2, 640 },
        { 20, 1, 1, 3, 640 },
        { 40, 2, 1, 5, 640 },
        { 24, 1, 1, 6, 640 },
        { 48, 2, 2, 7, 640 },
        { 32, 4, 2, 16, 4300 },
        { 128, 1, 1, 16, 640 },
        { 256, 1, 1, 16, 640 },
        { 512, 1, 1, 16, 640 },
        { 20, 2, 1, 16, 640 },
    };

    /// <summary>Decode steps whose contexts are split over workgroups, at any length from the first token on, with more stretches than some rows have chunks.</summary>
    [SkippableTheory]
    [MemberData(nameof(DecodeShapes))]
    public void SplitContextsGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits, int capacity)
    {
        CacheShape cache = new(3, capacity, kvHeads, headSize, bits);
        int pairs = heads * 3;
        using CpuExecutor cpu = new();
        using VulkanExecutor whole = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
        using VulkanExecutor two = Split(2), eight = Split(8);
        RandomAttention[] all = [.. new Executor[] { cpu, whole, two, eight }.Select(e => new RandomAttention(e, heads, cache, headSize + bits, bits % 2 == 0))];
        int[] lengths = [0, 0, 0];
        foreach (int[] prompts in new int[][] { [0, 0, 0], [62, 1, 126], [189, 254, 3], [377, 318, 300], [600, 330, 310] })
        {
            (int, int)[] prompt = [.. prompts.Select((p, s) => (lengths[s], p - lengths[s])).Select(p => (p.Item1, Math.Max(p.Item2, 0)))];
            lengths = [.. lengths.Zip(prompts, Math.Max)];
            if (prompt.Any(p => p.Item2 > 0))
            {
                Compare(prompt);
            }

            for (int step = 0; step < 4; step++)
            {
                Compare([.. lengths.Select(l => (l, 1))]);
                lengths = [.. lengths.Select(l => l + 1)];
            }
        }

        Compare((lengths[0], 1));
        VulkanFixture.AssertNoValidationMessages();

        VulkanExecutor Split(int stretches) => new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Choice = new AttentionChoice { Workgroups = pairs * stretches, SplitTokens = 0 } };

        void Compare(params (int, int)[] parts)
        {
            int[] expected = [.. all[0].Forward(parts).Select(BitConverter.SingleToInt32Bits)];
            Assert.All(all.Skip(1), a => Assert.Equal(expected, a.Forward(parts).Select(BitConverter.SingleToInt32Bits)));
        }
    }

    /// <summary>A whole model whose prompt takes matrices and whose steps split the context: the last stretch of the last head quantizes the row.</summary>
    [SkippableTheory]
    [InlineData("W4A4KV4")]
    [InlineData("W6A6g64")]
    public void ModelWithMatricesAndSplitContextsGivesTheCpusBits(string scheme)
    {
        ModelConfig config = RandomModel.Llama();
        RandomModel source = RandomModel.RoundToNearest(config, scheme, 9);
        int[] tokens = [.. Enumerable.Range(0, 140).Select(i => ((i * 29) + 3) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        float[] expected = cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray();
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Choice = new AttentionChoice { MatrixRows = 2, Workgroups = 16, SplitTokens = 0 } };
        using Transformer gpu = new(source, executor);
        float[] actual = [.. gpu.Forward(Batch.Consecutive(tokens.AsSpan(0, 120), 0, true)), .. Enumerable.Range(120, 20).SelectMany(p => gpu.Forward(Batch.Consecutive([tokens[p]], p, true)).ToArray())];
        Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), actual.Select(BitConverter.SingleToInt32Bits));
        // Codes of a 16-bit cache are relative to their own stretch: one dispatch attends all of them.
        Assert.Equal(((source.KeyValueBits == 16 ? 8 : 9) * config.Layers) + 3, executor.Dispatches);
    }

    /// <summary>A step's dispatches grow by one where the context is split; commands for both lengths are kept.</summary>
    [SkippableFact]
    public void ContextIsSplitFromItsThresholdOn()
    {
        using VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Choice = new AttentionChoice { Workgroups = 4, SplitTokens = 51 } };
        RandomAttention attention = new(executor, 2, new CacheShape(1, 128, 1, 16, 8), 1, true);
        attention.Forward((0, 98));
        int[] dispatches = [.. new[] { 98, 99, 100, 98, 101 }.Select(p =>
        {
            attention.Forward((p, 1));
            return executor.Dispatches;
        })];
        Assert.Equal([dispatches[0], dispatches[0], dispatches[0] + 1, dispatches[0], dispatches[0] + 1], dispatches);
    }

    /// <summary>A device without matrices of unsigned bytes, or with its matrices masked, is served all the same.</summary>
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void DeviceWithoutByteMatricesServes(bool signed)
    {
        VulkanDeviceFacts facts = vulkan.Context.Facts;
        facts = signed ? facts with { Matrices = [.. facts.Matrices.Where(m => m.IsSignedByte)] } : new FeatureMask(new HashSet<string> { "coopmat" }).Apply(facts);
        CacheShape cache = new(1, 100, 1, 32, 8);
        Assert.Null(AttentionTile.For(facts, cache));
        using VulkanContext gpu = VulkanContext.Open(facts);
        using VulkanExecutor executor = new(gpu, SelfCheck.Of(gpu), false) { Choice = new AttentionChoice { MatrixRows = 1 } };
        using CpuExecutor cpu = new();
        Assert.Equal(new RandomAttention(cpu, 2, cache, 3, true).Forward((0, 70)), new RandomAttention(executor, 2, cache, 3, true).Forward((0, 70)));
    }

    [SkippableFact]
    public void SelfCheckCatchesAWrongDriver()
    {
        string[] shaders = [.. new[] { 8, 16 }.Select(bits => AttentionTile.For(vulkan.Context.Facts, new CacheShape(1, 64, 1, 64, bits))).OfType<AttentionTile>().Select(t => t.ShaderName)];
        Skip.If(shaders.Length == 0, "No matrices of bytes.");
        Assert.Empty(AttentionCheck.Run(vulkan.Context));
        vulkan.Context.Faults = new FaultInjection { Plant = shader => shader is AttentionMatrixShader a ? a with { Attention = a.Attention with { ScoreScale = 1.5f * a.Attention.ScoreScale } } : shader };
        IReadOnlyDictionary<string, string> failures = AttentionCheck.Run(vulkan.Context);
        vulkan.Context.Faults = null;
        Assert.Equal(shaders.Order(), failures.Keys.Order());
        Assert.All(failures.Values, f => Assert.Contains("wrong", f, StringComparison.Ordinal));
    }

    /// <summary>Heads of any size and sharing over the 16-bit cache, prompts that end anywhere about a stretch, with matrices and without.</summary>
    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AnyHeadsOfSixteenBitsGiveTheCpusBits(int seed)
    {
        Random random = new(seed);
        int headSize = 4 * (4 + random.Next(61)), kvHeads = 1 + random.Next(2), heads = kvHeads * Math.Clamp(320 / headSize / kvHeads, 1, 1 + random.Next(4));
        CacheShape cache = new(2, 200, kvHeads, headSize, 16);
        using CpuExecutor cpu = new();
        VulkanExecutor[] gpus = [.. new[] { 1, int.MaxValue }.Select(rows => new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Choice = new AttentionChoice { MatrixRows = rows } })];
        RandomAttention[] all = [.. gpus.Prepend<Executor>(cpu).Select(e => new RandomAttention(e, heads, cache, seed, seed % 2 == 0))];
        int[] lengths = [0, 0];
        for (int step = 0; step < 4; step++)
        {
            int[] fresh = [.. lengths.Select(l => Math.Min(new[] { 1, 1, 63, 64, 65, 1 + random.Next(128) }[random.Next(6)], 200 - l))];
            (int, int)[] parts = [.. lengths.Zip(fresh)];
            lengths = [.. lengths.Zip(fresh, (l, f) => l + f)];
            if (fresh.Any(f => f > 0))
            {
                int[] expected = [.. all[0].Forward(parts).Select(BitConverter.SingleToInt32Bits)];
                Assert.All(all.Skip(1), a => Assert.Equal(expected, a.Forward(parts).Select(BitConverter.SingleToInt32Bits)));
            }
        }

        Array.ForEach(gpus, g => g.Dispose());
        VulkanFixture.AssertNoValidationMessages();
    }

    // Software devices have 32 KiB of shared memory: heads up to 104 fit tiles of 64 rows there.
    /// <summary>The cache of float blocks: workgroups of every size, tiles of 64 rows and of 32 where shared memory is small, heads of all widths, windows and softcaps.</summary>
    [SkippableTheory]
    [InlineData(16, 2, 1, 64, 48, 0)]
    [InlineData(20, 4, 2, 256, 48, 0)]
    [InlineData(100, 2, 1, 256, 48, 0)]
    [InlineData(64, 2, 2, 64, 48, 40)]
    [InlineData(104, 1, 1, 256, 48, 70)]
    [InlineData(128, 2, 1, 256, 32, 0)]
    [InlineData(252, 2, 1, 256, 32, 0)]
    [InlineData(64, 3, 1, 256, 32, 100)]
    [InlineData(68, 2, 1, 64, 32, 0)]
    public void FloatsGiveTheCpusBits(int headSize, int heads, int kvHeads, int workgroup, int sharedKibibytes, int window)
    {
        using VulkanContext context = VulkanContext.Open(vulkan.Context.Facts with { SharedMemoryBytes = sharedKibibytes << 10 });
        context.Faults = new FaultInjection { Plant = shader => shader is AttentionFloatsShader a ? a with { Workgroup = workgroup } : shader };
        AttentionLayout layout = new(heads, kvHeads, headSize) { Window = window, Softcap = window > 0 ? 20 : 0 };
        CacheShape cache = new(2, 260, kvHeads, headSize, 32);
        using VulkanExecutor gpu = new(context, SelfCheck.Of(vulkan.Context), false);
        using CpuExecutor cpu = new();
        RandomAttention actual = new(gpu, layout, cache, headSize, null), expected = new(cpu, layout, cache, headSize, null);
        foreach ((int, int)[] parts in new (int, int)[][] { [(0, 70), (0, 3)], [(70, 41), (3, 1)], [(111, 149), (4, 64)], [(0, 1), (68, 130)] })
        {
            Assert.Equal(expected.Forward(parts).Select(BitConverter.SingleToInt32Bits), actual.Forward(parts).Select(BitConverter.SingleToInt32Bits));
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private void Prefill(int headSize, int heads, int kvHeads, int bits, AttentionChoice choice)
    {
        CacheShape cache = new(3, 260, kvHeads, headSize, bits);
        bool matrices = vulkan.Context.Facts.Matrices.Any(m => m.A == (bits == 16 ? MatrixElement.Int8 : MatrixElement.UInt8));
        Assert.Equal(matrices && headSize <= 256, AttentionTile.For(vulkan.Context.Facts, cache) is not null);
        using VulkanExecutor gpu = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Choice = choice };
        using CpuExecutor cpu = new();
        RandomAttention actual = new(gpu, heads, cache, headSize + bits, bits % 2 == 0), expected = new(cpu, heads, cache, headSize + bits, bits % 2 == 0);

        // Tiles cut by sequences, by the batch's end, and by chunks of 64 keys that begin inside a tile; then single tokens.
        foreach ((int, int)[] parts in new (int, int)[][] { [(0, 70), (0, 3), (0, 19)], [(70, 41), (3, 1), (19, 128)], [(111, 17), (4, 60), (147, 5)], [(128, 132), (64, 1)], [(0, 1), (65, 1), (152, 1)] })
        {
            Assert.Equal(expected.Forward(parts).Select(BitConverter.SingleToInt32Bits), actual.Forward(parts).Select(BitConverter.SingleToInt32Bits));
        }

        VulkanFixture.AssertNoValidationMessages();
    }
}

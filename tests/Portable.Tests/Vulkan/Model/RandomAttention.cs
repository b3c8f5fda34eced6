using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Tests.Vulkan.Model;

/// <summary>
/// Attention alone behind an execution seam: a token's query, keys and values are a random row of a table, and what was attended
/// comes back through RMSNorm and a head that is the identity.
/// </summary>
internal sealed class RandomAttention
{
    private const int Tokens = 61;
    private readonly Executor _executor;
    private readonly AttentionLayout _layout;
    private readonly DeviceTable _table, _identity;
    private readonly DeviceNorm _norm;
    private readonly DeviceHeads _parts;
    private readonly DeviceCache _cache;
    private readonly DeviceActivation _qkv, _attended;
    private readonly DeviceInput _input;

    public RandomAttention(Executor executor, int heads, CacheShape cache, int seed, bool rotary)
        : this(executor, new AttentionLayout(heads, cache.KeyValueHeads, cache.HeadSize), cache, seed, rotary ? new RotaryTable(cache.Capacity, cache.HeadSize, 10000) : null)
    {
    }

    /// <summary>Attention of any layout; norms of queries and keys have random gains.</summary>
    public RandomAttention(Executor executor, AttentionLayout layout, CacheShape cache, int seed, RotaryTable? rotary)
    {
        (_executor, _layout) = (executor, layout);
        int columns = layout.QueryWidth + (2 * layout.KeyValueWidth), width = layout.QueryWidth;
        float[] identity = new float[width * width];
        for (int i = 0; i < width; i++)
        {
            identity[(i * width) + i] = 1;
        }

        _table = executor.Upload(Table(Tokens, columns, Rows(columns, cache.HeadSize, seed)));
        _identity = executor.Upload(Table(width, width, identity));
        _norm = executor.Upload(new NormWeights([.. Enumerable.Repeat(1f, width)], null), 1e-6f);
        BlockLayout block = new() { Hidden = 4, Intermediate = 4, Attention = layout, NormEpsilon = 1e-6f };
        DeviceNorm? Norm(BlockNorm norm) => block.Norms.Contains(norm) ? executor.Upload(new NormWeights(Gains(block.WidthOf(norm), seed + (int)norm), null), block.NormEpsilon) : null;
        _parts = new DeviceHeads(rotary is null ? null : executor.CreateRotary(rotary), Norm(BlockNorm.Query), Norm(BlockNorm.Key));
        _cache = executor.CreateCache(cache);
        _qkv = executor.CreateActivation(columns);
        _attended = executor.CreateActivation(width);
        _input = executor.CreateInput(new InputSpec(width, new ActivationQuantizer(new CodeFormat(8, true), ActivationMode.Symmetric, 0), new GroupLayout(width)));
    }

    /// <summary>What the rows of a batch attend to: consecutive tokens of each sequence from a position.</summary>
    /// <param name="parts">First position and number of tokens of sequence 0, 1, 2 …; none: the sequence rests.</param>
    public float[] Forward(params (int First, int Count)[] parts)
    {
        (int Sequence, int Position)[] rows = [.. parts.SelectMany((p, s) => Enumerable.Range(p.First, p.Count).Select(t => (s, t)))];
        int[] tokens = [.. rows.Select(r => ((r.Position * 17) + (r.Sequence * 5)) % Tokens)];
        _executor.Begin(new Batch(tokens, [.. rows.Select(r => r.Sequence)], [.. rows.Select(r => r.Position)], [.. Enumerable.Range(0, rows.Length)]));
        _executor.Embed(_table, 1, null, 0, _qkv);
        _executor.Attention(_qkv, _layout, _parts, _cache, _attended);
        _executor.Prepare(_attended, [_input]);
        _executor.Logits(_attended, _norm, _identity, 0);
        return _executor.End().ToArray();
    }

    private static float[] Gains(int width, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, width).Select(_ => (float)(2 * random.NextDouble()))];
    }

    private static TableWeights Table(int rows, int columns, float[] values) =>
        new(new FloatTable(rows, columns, ElementType.Float32, MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));

    // Heads of very different sizes, with outliers; some are constant and some zero but for one value.
    private static float[] Rows(int columns, int headSize, int seed)
    {
        Random random = new(seed);
        float[] values = new float[Tokens * columns];
        for (int head = 0; head < values.Length / headSize; head++)
        {
            double size = Math.Pow(2, random.Next(-3, 3));
            int kind = random.Next(12);
            float constant = (float)(size * (random.NextDouble() - 0.5));
            for (int i = 0; i < headSize; i++)
            {
                double v = random.NextDouble() + random.NextDouble() - 1;
                values[(head * headSize) + i] = kind == 0 ? constant : kind == 1 ? (i == 1 ? 1 : 0) : (float)(size * v * (random.Next(40) == 0 ? 20 : 1));
            }
        }

        return values;
    }
}

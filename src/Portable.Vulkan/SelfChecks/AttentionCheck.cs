using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.SelfChecks;

/// <summary>Proves attention with cooperative matrices against attention without: random queries, keys and values of a few widths, tiles that end inside chunks, windows over caches that wrap.</summary>
internal static class AttentionCheck
{
    private const int Heads = 4, KeyValueHeads = 2, HeadSize = 64, First = 169, Rows = 85, Window = 40;

    // Every shader without and with a window and a softcap; a window and the rows span two chunks.
    private static readonly (int Bits, bool Windowed)[] Cases = [(16, false), (16, true), (8, false), (4, true), (2, false)];

    /// <summary>Runs the check.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="report">Told of every kernel before it runs.</param>
    /// <returns>What is wrong, by shader.</returns>
    public static IReadOnlyDictionary<string, string> Run(VulkanContext gpu, Action<string>? report = null)
    {
        Dictionary<string, string> failures = [];

        // Which of several is taken is up to what the compiler makes of them, where the driver tells; and behind one that counts on where a device keeps
        // elements of matrices stands one that does not.
        (CacheShape Cache, AttentionTile Tile)[] tiles =
        [
            .. from c in Cases
               let cache = new CacheShape(1, c.Windowed ? Window + Rows : First + Rows, KeyValueHeads, HeadSize, c.Bits, c.Windowed)
               from tile in Tried([.. AttentionTile.Candidates(gpu.Facts, cache)], gpu.Facts.PipelineStatistics)
               select (cache, tile),
        ];
        gpu.BuildAhead(
            from t in tiles
            from shader in new[] { t.Tile.ShaderFor(Constants(t.Cache)), WithoutMatrices(t.Cache) }
            select (Action)(() => gpu.Pipeline(shader)));
        foreach ((CacheShape cache, AttentionTile tile) in tiles)
        {
            report?.Invoke($"checking kernels ({tile.ShaderName}, {cache.Bits}-bit cache)");
            try
            {
                int wrong = Wrong(gpu, cache, tile);
                if (wrong > 0)
                {
                    failures[tile.ShaderName] = $"{wrong} of {Rows * Heads * HeadSize} results are wrong ({cache.Bits}-bit cache, {tile.Matrix})";
                }
            }
            catch (VulkanException e)
            {
                failures[tile.ShaderName] = e.Message;
            }
        }

        return failures;
    }

    private static IEnumerable<AttentionTile> Tried(AttentionTile[] tiles, bool all) => all ? tiles : [.. tiles.TakeWhile(t => t.InRegisters), .. tiles.SkipWhile(t => t.InRegisters).Take(1)];

    private static AttentionConstants Constants(CacheShape cache) =>
        AttentionConstants.For(cache, new AttentionLayout(Heads, KeyValueHeads, HeadSize) { Window = cache.Wraps ? Window : 0, Softcap = cache.Wraps ? 20 : 0 });

    private static AttentionTileShader WithoutMatrices(CacheShape cache) => AttentionTileShader.WithoutMatrices(Constants(cache), 64, AttentionLimits.TileRows);

    // Tiles of so many rows, the last with what is left.
    private static uint[] Tiles(int size) => [.. Enumerable.Range(0, (Rows + size - 1) / size).SelectMany(i => new[] { (uint)(i * size), (uint)Math.Min(size, Rows - (i * size)) })];

    private static int Wrong(VulkanContext gpu, CacheShape cache, AttentionTile tile)
    {
        Operands o = cache.Bits == 16 ? Digits(cache) : Codes(cache);
        uint[] rows = new uint[4 * Rows];
        for (int i = 0; i < Rows; i++)
        {
            rows[(4 * i) + 2] = (uint)(First + i);
        }

        using GpuBuffer k = gpu.Allocate<uint>(o.Keys), v = gpu.Allocate<uint>(o.Values), p = gpu.Allocate<uint>(o.Parameters), q = gpu.Allocate<uint>(o.Queries);
        using GpuBuffer qp = gpu.Allocate<uint>(o.QueryParameters), r = gpu.Allocate<uint>(rows);
        float[] expected = new float[Rows * Heads * HeadSize], actual = new float[expected.Length];
        using GpuBuffer y = gpu.Allocate(4L * expected.Length);
        AttentionSizes shape = new(Heads, KeyValueHeads, (uint)VulkanCache.Chunks(cache), (uint)VulkanCache.Pages(cache));
        Run(WithoutMatrices(cache), AttentionLimits.TileRows, expected);
        Run(tile.ShaderFor(Constants(cache)), tile.Rows, actual);
        return expected.Zip(actual).Count(e => BitConverter.SingleToInt32Bits(e.First) != BitConverter.SingleToInt32Bits(e.Second));

        void Run(Shader<AttentionTilePush> shader, int tileRows, float[] result)
        {
            uint[] list = Tiles(tileRows);
            using GpuBuffer tiles = gpu.Allocate<uint>(list);
            AttentionTilePush push = new(r.Address, tiles.Address, q.Address, qp.Address, k.Address, v.Address, p.Address, y.Address, shape);
            gpu.Run(recorder => recorder.Dispatch(shader, push, Heads, list.Length / 2));
            gpu.Download<float>(y, result);
        }
    }

    /// <summary>Random codes of 2 … 8 bits with their scales, zero points and sums.</summary>
    private static Operands Codes(CacheShape cache)
    {
        Random random = new(cache.Bits);
        int words = VulkanCache.HeadWords(cache), slots = (int)VulkanCache.Slots(cache), field = AttentionConstants.FieldBitsOf(cache.Bits), byteWords = words * 8 / field;
        uint codes = 0x01010101u * ((1u << cache.Bits) - 1);
        for (int shift = field; shift < 8; shift *= 2)
        {
            codes |= codes << shift;
        }

        uint[] keys = Words(random, slots * words, codes), values = Words(random, slots * words, codes), queries = Words(random, Rows * Heads * byteWords, 0x01010101u * ((1u << cache.Bits) - 1));
        uint[] parameters = new uint[4 * slots], queryParameters = new uint[4 * Rows * Heads];
        for (int t = 0; t < slots; t++)
        {
            int sum = 0;
            for (int w = 0; w < words; w++)
            {
                sum += SumOfFields(keys[(((t / 64 * words) + w) * 64) + (t % 64)], field);
            }

            (parameters[t], parameters[slots + t]) = (Scale(random), (uint)(random.Next(1 << cache.Bits) | (sum << 8)));
            (parameters[(2 * slots) + t], parameters[(3 * slots) + t]) = (Scale(random), (uint)random.Next(1 << cache.Bits));
        }

        for (int i = 0; i < Rows * Heads; i++)
        {
            int sum = queries.AsSpan(i * byteWords, byteWords).ToArray().Sum(q => SumOfFields(q, 8));
            (queryParameters[4 * i], queryParameters[(4 * i) + 1], queryParameters[(4 * i) + 2]) = (Scale(random), (uint)random.Next(1 << cache.Bits), (uint)sum);
        }

        return new Operands(keys, values, parameters, queries, queryParameters);
    }

    /// <summary>Random codes of two digits with their scales.</summary>
    private static Operands Digits(CacheShape cache)
    {
        Random random = new(cache.Bits);
        int words = VulkanCache.HeadWords(cache), slots = (int)VulkanCache.Slots(cache);
        uint[] parameters = new uint[2 * slots], queryParameters = new uint[4 * Rows * Heads];
        for (int i = 0; i < parameters.Length; i++)
        {
            parameters[i] = Scale(random, 1 << 14);
        }

        for (int i = 0; i < Rows * Heads; i++)
        {
            queryParameters[4 * i] = Scale(random, 1 << 14);
        }

        return new Operands(Words(random, slots * words, uint.MaxValue), Words(random, slots * words, uint.MaxValue), parameters, Words(random, Rows * Heads * words, uint.MaxValue), queryParameters);
    }

    private static uint[] Words(Random random, int count, uint mask)
    {
        uint[] words = new uint[count];
        for (int i = 0; i < count; i++)
        {
            words[i] = (uint)random.NextInt64(1L << 32) & mask;
        }

        return words;
    }

    private static int SumOfFields(uint word, int field)
    {
        int sum = 0;
        for (int shift = 0; shift < 32; shift += field)
        {
            sum += (int)((word >> shift) & ((1u << field) - 1));
        }

        return sum;
    }

    // A few units of score between neighbouring codes' products at most, so that many keys count.
    private static uint Scale(Random random, int unit = 64) => BitConverter.SingleToUInt32Bits((float)(random.NextDouble() + 0.1) / unit);

    private sealed record Operands(uint[] Keys, uint[] Values, uint[] Parameters, uint[] Queries, uint[] QueryParameters);
}

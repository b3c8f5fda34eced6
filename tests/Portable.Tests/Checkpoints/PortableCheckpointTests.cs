using System.Text;
using System.Text.Json;
using FsCheck.Xunit;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Quantization.Runs;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>The quantized format: what is written is read back exactly, and the bytes mean what the format says.</summary>
public class PortableCheckpointTests
{
    private static readonly string[] Families = ["llama", "qwen2", "opt"], Dtypes = ["F16", "BF16", "F32"];

    [Property(MaxTest = 25)]
    public void Round_trip_is_exact_over_schemes_and_shapes(uint seed)
    {
        Random random = new((int)(seed % int.MaxValue));
        int version = random.Next(1, 3);
        string scheme = RandomScheme(random, version);
        bool tied = random.Next(2) == 0;
        string family = Families[random.Next(3)];
        using TinyCheckpoint checkpoint = new(family, Dtypes[random.Next(3)], config => config["tie_word_embeddings"] = tied || family == "opt", hidden: 4 * random.Next(1, 36), inner: random.Next(1, 200), layers: random.Next(1, 3));
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, scheme, (int)seed % 1000, version: version);
        using IModelSource source = Checkpoint.Open(checkpoint.Directory), quantized = Checkpoint.Open(output);
        Assert.Equal(QuantizationScheme.Parse(scheme).KeyValueBits, quantized.KeyValueBits);
        Assert.Equivalent(source.Config, quantized.Config);
        (ModelTables tables, IReadOnlyList<LayerReport> tableReports) = ModelTables.Of(source).Quantized(new ModelNames(source.Config), QuantizationScheme.Parse(scheme), ScaleFormat.Half);
        AssertSame(tables.Embedding, quantized.LoadEmbedding());
        AssertSame(source.LoadPositions(), quantized.LoadPositions());
        AssertSame(tables.Head, quantized.LoadHead());
        AssertSame(source.LoadFinalNorm(), quantized.LoadFinalNorm());
        List<LayerReport> all = [];
        for (int i = 0; i < checkpoint.Layers; i++)
        {
            (BlockWeights expected, List<LayerReport> reports) = RandomQuantizedBlocks.Block(source, i, scheme, (int)seed % 1000);
            AssertSame(expected, quantized.LoadBlock(i));
            all.AddRange(reports);
        }

        all.AddRange(tableReports);
        Assert.Equivalent(all, ((PortableCheckpoint)quantized).Manifest.Layers, strict: true);
        Assert.Empty(ManifestCheck.Differences(output, ((PortableCheckpoint)quantized).Manifest));
    }

    [Property(MaxTest = 20)]
    public void Five_levels_are_three_codes_in_seven_bits(uint seed)
    {
        Random random = new((int)(seed % int.MaxValue));
        using TinyCheckpoint checkpoint = new(hidden: 4 * random.Next(1, 40), inner: random.Next(1, 150));
        string output = Path.Combine(checkpoint.Directory, "out"), scheme = "W2*A8" + (random.Next(2) == 0 ? "" : $"g{random.Next(1, 100)}");
        RandomQuantizedBlocks.Write(checkpoint, output, scheme);
        using IModelSource quantized = Checkpoint.Open(output);
        foreach (LinearWeights linear in quantized.LoadBlock(0).Linears)
        {
            BitPlaneMatrix matrix = linear.Quantized!.Weights;
            short[] codes = new short[matrix.Rows * matrix.Columns];
            BitPacking.Unpack(matrix, codes);
            (byte[] bytes, long[] shape) = Tensor(Path.Combine(output, "model-00001-of-00002.safetensors"), linear.Name + ".codes");
            Assert.Equal([matrix.Rows, (((matrix.Columns + 2) / 3 * 7) + 7) / 8], shape);
            for (int n = 0; n < matrix.Rows; n++)
            {
                for (int k = 0; k < matrix.Columns; k++)
                {
                    int triple = 0;
                    for (int bit = 0; bit < 7; bit++)
                    {
                        int at = (k / 3 * 7) + bit;
                        triple |= ((bytes[(n * shape[1]) + (at / 8)] >> (at % 8)) & 1) << bit;
                    }

                    Assert.Equal(codes[(n * matrix.Columns) + k], (triple / (k % 3 == 0 ? 1 : k % 3 == 1 ? 5 : 25)) % 5);
                }
            }
        }
    }

    [Theory]
    [InlineData(128)]
    [InlineData(160)]
    [InlineData(256)]
    public void Five_levels_take_at_most_2_4_bits(int columns)
    {
        using TinyCheckpoint checkpoint = new(hidden: columns, inner: columns);
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, "W2*A8", seed: 3);
        using IModelSource quantized = Checkpoint.Open(output);
        foreach (LinearWeights linear in quantized.LoadBlock(0).Linears)
        {
            (byte[] bytes, _) = Tensor(Path.Combine(output, "model-00001-of-00002.safetensors"), linear.Name + ".codes");
            Assert.True(bytes.Length * 8 <= 2.4 * linear.OutputFeatures * linear.Quantized!.Weights.Columns, linear.Name);
        }
    }

    [Fact]
    public void Planes_are_the_words_of_memory_where_columns_fill_blocks()
    {
        using TinyCheckpoint checkpoint = new(hidden: 128, inner: 64);
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, "W5A8g64");
        using IModelSource quantized = Checkpoint.Open(output);
        LinearWeights down = quantized.LoadBlock(0)[BlockSlot.Down];
        (byte[] bytes, _) = Tensor(Path.Combine(output, "model-00001-of-00002.safetensors"), down.Name + ".codes");
        Assert.Equal(System.Runtime.InteropServices.MemoryMarshal.AsBytes(down.Quantized!.Weights.Words.Span), bytes);
        Assert.False(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(down.Quantized!.Weights.Words, out _), "the words are a copy of the file");
    }

    [SkippableFact]
    public void Five_levels_stay_as_the_file_has_them()
    {
        Skip.IfNot(BaseFiveUnits.IsSupported, "This process expands them on load.");
        using TinyCheckpoint checkpoint = new(hidden: 100, inner: 64);
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, "W2*A8");
        using IModelSource quantized = Checkpoint.Open(output);
        foreach (LinearWeights linear in quantized.LoadBlock(0).Linears)
        {
            ReadOnlyMemory<byte> inMemory = linear.Quantized!.Weights.BaseFive!.Bytes;
            Assert.Equal(Tensor(Path.Combine(output, "model-00001-of-00002.safetensors"), linear.Name + ".codes").Bytes, inMemory.ToArray());
            Assert.False(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(inMemory, out _), "the bytes are a copy of the file");
        }
    }

    [Fact]
    public void Padding_is_not_stored()
    {
        using TinyCheckpoint checkpoint = new(hidden: 8, inner: 20);
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, "W4A8g16");
        (_, long[] shape) = Tensor(Path.Combine(output, "model-00001-of-00002.safetensors"), "model.layers.0.mlp.down_proj.codes");
        Assert.Equal([8, 4 * (2 + 1)], shape); // 16 columns in two bytes, 4 in one, per plane.
    }

    /// <summary>A tied table is stored once, under the embedding's name; nothing of the float table is left.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Tables_of_codes_are_stored_once(bool tied)
    {
        using TinyCheckpoint checkpoint = new(config: c => c["tie_word_embeddings"] = tied, hidden: 16);
        string output = Path.Combine(checkpoint.Directory, "out"), shard = Path.Combine(output, "model-00002-of-00002.safetensors");
        RandomQuantizedBlocks.Write(checkpoint, output, "W4A8H5");
        byte[] file = File.ReadAllBytes(shard);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, BitConverter.ToInt32(file)));
        string[] names = [.. header.RootElement.EnumerateObject().Select(e => e.Name).Where(n => n != "__metadata__").Order(StringComparer.Ordinal)];
        string[] Of(string table) => [table + ".codes", table + ".scales", table + ".zero_points"];
        Assert.Equal([.. tied ? [] : Of("lm_head"), .. Of("model.embed_tokens"), "model.norm.weight"], names);
        Assert.Equal([16, 5 * 2], Tensor(shard, "model.embed_tokens.codes").Shape);
        using PortableCheckpoint quantized = PortableCheckpoint.Open(output);
        Assert.Equal(tied, quantized.LoadHead() is null);
        Assert.Equal((string[])["model.embed_tokens", .. tied ? [] : (string[])["lm_head"]], quantized.Manifest.Layers.Where(l => l.Scheme == "W5A8").Select(l => l.Name));
    }

    [Fact]
    public void Manifest_and_config_hold_no_fact_of_the_host()
    {
        using TinyCheckpoint checkpoint = new();
        string output = Path.Combine(checkpoint.Directory, "out");
        RandomQuantizedBlocks.Write(checkpoint, output, "W4A8KV4");
        foreach (string file in Directory.EnumerateFiles(output))
        {
            string text = Encoding.Latin1.GetString(File.ReadAllBytes(file));
            Assert.DoesNotContain(checkpoint.Directory, text, StringComparison.Ordinal);
            Assert.DoesNotContain(Environment.MachineName + "\"", text, StringComparison.Ordinal);
            Assert.DoesNotContain(DateTime.UtcNow.Year + "-", text, StringComparison.Ordinal);
        }

        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(output, "config.json")));
        Assert.Equal("W4A8KV4", config.RootElement.GetProperty("quantization_config").GetProperty("scheme").GetString());
        Assert.Equal(8, config.RootElement.GetProperty("hidden_size").GetInt32());
    }

    internal static void AssertSame(BlockWeights expected, BlockWeights actual)
    {
        Assert.All(expected.Layout.Norms, norm => AssertSame(expected[norm], actual[norm]));
        foreach ((LinearWeights e, LinearWeights a) in expected.Linears.Zip(actual.Linears))
        {
            Assert.Equal((e.Name, e.Scheme), (a.Name, a.Scheme));
            AssertSame(e.Quantized!, a.Quantized!);
        }

        Assert.Equal(expected.Linears.Count(), actual.Linears.Count());
    }

    private static void AssertSame(QuantizedLinear x, QuantizedLinear y)
    {
        Assert.Equal((x.Weights.Rows, x.Weights.Layout, x.Weights.Format), (y.Weights.Rows, y.Weights.Layout, y.Weights.Format));
        Assert.Equal(x.Weights.Words.ToArray(), y.Weights.Words.ToArray());
        Assert.Equal(x.Weights.RowSums, y.Weights.RowSums);
        Assert.Equal((x.GroupSize, x.Scales.Format), (y.GroupSize, y.Scales.Format));
        Assert.Equal(x.Scales, y.Scales);
        Assert.Equal(x.ZeroPoints, y.ZeroPoints);
        Assert.Equal(x.ZeroPoints?.Bytes.ToArray(), y.ZeroPoints?.Bytes.ToArray());
        Assert.Equal(x.Bias, y.Bias);
        Assert.Equal(x.Input with { Map = null }, y.Input with { Map = null });
        Assert.Equal(x.Input.Map?.Source, y.Input.Map?.Source);
        Assert.Equal(x.Input.Map?.Offset, y.Input.Map?.Offset);
        Assert.Equal(x.Input.Map?.Limit, y.Input.Map?.Limit);
    }

    private static void AssertSame(TableWeights? expected, TableWeights? actual)
    {
        Assert.Equal(expected?.Quantized is null, actual?.Quantized is null);
        AssertSame(expected?.Float, actual?.Float);
        if (expected?.Quantized is { } codes)
        {
            AssertSame(codes, actual!.Quantized!);
        }
    }

    private static void AssertSame(FloatTable? expected, FloatTable? actual)
    {
        Assert.Equal((expected?.Rows, expected?.Columns, expected?.Type), (actual?.Rows, actual?.Columns, actual?.Type));
        Assert.Equal(expected?.Data.ToArray(), actual?.Data.ToArray());
    }

    private static void AssertSame(NormWeights expected, NormWeights actual)
    {
        Assert.Equal(expected.Gain, actual.Gain);
        Assert.Equal(expected.Bias, actual.Bias);
    }

    private static string RandomScheme(Random random, int version)
    {
        bool balanced = random.Next(4) == 0;
        int activation = random.Next(1, 10);
        int size = random.Next(1, 150), other = random.Next(3) switch { 0 => size, 1 => size * random.Next(1, 4), _ => size % 2 == 0 ? size / 2 : 1 };
        string group = random.Next(2) == 0 ? "" : $"g{size}", own = version == 1 || activation == 9 || random.Next(2) == 0 ? "" : $"a{other}", kv = random.Next(2) == 0 ? "" : $"KV{random.Next(2, 9)}", head = random.Next(2) == 0 ? "" : $"H{random.Next(2, 9)}";
        return $"W{(balanced ? "2*" : random.Next(1, 9))}A{(activation == 1 ? 2 : activation == 9 ? 16 : activation)}{group}{own}{kv}{head}";
    }

    // The tests' own reading of the file.
    private static (byte[] Bytes, long[] Shape) Tensor(string path, string name)
    {
        byte[] file = File.ReadAllBytes(path);
        int header = BitConverter.ToInt32(file);
        using JsonDocument document = JsonDocument.Parse(file.AsMemory(8, header));
        JsonElement entry = document.RootElement.GetProperty(name);
        Assert.Equal("U8", entry.GetProperty("dtype").GetString());
        int begin = entry.GetProperty("data_offsets")[0].GetInt32(), end = entry.GetProperty("data_offsets")[1].GetInt32();
        return (file[(8 + header + begin)..(8 + header + end)], [.. entry.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64())]);
    }
}

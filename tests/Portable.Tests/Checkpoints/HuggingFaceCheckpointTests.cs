using System.Runtime.InteropServices;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>Parts of float checkpoints: names, biases, element types, and lifetime of mapped memory.</summary>
public class HuggingFaceCheckpointTests
{
    [Theory]
    [InlineData("llama", false, false)]
    [InlineData("qwen2", true, false)]
    [InlineData("opt", true, true)]
    public void Biases_are_where_the_architecture_has_them(string type, bool query, bool output)
    {
        using TinyCheckpoint checkpoint = new(type);
        using IModelSource source = Checkpoint.Open(checkpoint.Directory);
        BlockWeights block = source.LoadBlock(0);
        Assert.Equal((query, output), (block[BlockSlot.Query].Bias is not null, block[BlockSlot.Output].Bias is not null));
        Assert.Equal(type == "opt", block[BlockNorm.Attention].Bias is not null);
        Assert.Equal(type == "opt", source.LoadPositions() is not null);
        Assert.Equal(type == "opt", source.LoadHead() is null);
        Assert.Equal(type == "opt" ? 6 : 7, block.Linears.Count());
        Assert.Equal(32, source.KeyValueBits);
    }

    [Fact]
    public void Opt_files_may_leave_the_model_prefix_off()
    {
        using TinyCheckpoint checkpoint = new("opt");
        foreach (string name in checkpoint.Header.Select(e => e.Key).ToArray())
        {
            System.Text.Json.Nodes.JsonNode entry = checkpoint.Header[name]!.DeepClone();
            checkpoint.Header.Remove(name);
            checkpoint.Header[name["model.".Length..]] = entry;
        }

        checkpoint.Write();
        using IModelSource source = Checkpoint.Open(checkpoint.Directory);
        Assert.Equal("model.decoder.layers.0.self_attn.out_proj", source.LoadBlock(0)[BlockSlot.Output].Name);
        HostileFloatCheckpointTests.LoadAll(checkpoint.Directory);
    }

    [Fact]
    public void Attention_and_mlp_biases_of_llama_are_read()
    {
        using TinyCheckpoint checkpoint = new(config: c => (c["attention_bias"], c["mlp_bias"]) = (true, true));
        using IModelSource source = Checkpoint.Open(checkpoint.Directory);
        Assert.All(source.LoadBlock(0).Linears, linear => Assert.Equal(linear.OutputFeatures, linear.Bias!.Length));
    }

    [Theory]
    [InlineData("F16")]
    [InlineData("BF16")]
    [InlineData("F32")]
    public void Tables_are_the_bytes_of_the_file_and_vectors_their_values(string dtype)
    {
        using TinyCheckpoint checkpoint = new(dtype: dtype);
        using IModelSource source = Checkpoint.Open(checkpoint.Directory);
        FloatTable embedding = source.LoadEmbedding().Float!;
        Assert.Equal((16, 8), (embedding.Rows, embedding.Columns));
        Assert.Equal(checkpoint.Data[..embedding.Data.Length], embedding.Data.ToArray());
        int at = (int)checkpoint.Header["model.norm.weight"]!["data_offsets"]![0]!;
        float[] gain = source.LoadFinalNorm().Gain;
        for (int i = 0; i < gain.Length; i++)
        {
            float expected = dtype switch
            {
                "F32" => BitConverter.ToSingle(checkpoint.Data, at + 4 * i),
                "F16" => (float)BitConverter.ToHalf(checkpoint.Data, at + 2 * i),
                _ => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(checkpoint.Data, at + 2 * i) << 16),
            };
            Assert.Equal(expected, gain[i]);
        }
    }

    [Fact]
    public void Mapped_memory_outlives_the_checkpoint()
    {
        using TinyCheckpoint checkpoint = new();
        FloatTable table = Embedding(checkpoint.Directory);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.Equal(checkpoint.Data[..table.Data.Length], table.Data.ToArray());

        static FloatTable Embedding(string directory)
        {
            using IModelSource source = Checkpoint.Open(directory);
            return source.LoadEmbedding().Float!;
        }
    }

    [SkippableTheory]
    [InlineData("tiny-llama", ElementType.Float16, 4)]
    [InlineData("small-llama", ElementType.BFloat16, 6)]
    [InlineData("tiny-opt", ElementType.Float16, 4)]
    public void Trained_models_load(string name, ElementType type, int blocks)
    {
        string? directory = SharedData.Models(name);
        Skip.If(directory is null, SharedData.Absent);
        using IModelSource source = Checkpoint.Open(directory);
        Assert.Equal(blocks, source.Config.Layers);
        Assert.Equal(type, source.LoadEmbedding().Float!.Type);
        HostileFloatCheckpointTests.LoadAll(directory);
    }

    [Theory]
    [InlineData(ElementType.Float32)]
    [InlineData(ElementType.Float16)]
    [InlineData(ElementType.BFloat16)]
    public void The_first_value_that_is_not_finite_is_found_at_every_place(ElementType type)
    {
        for (int length = 0; length < 70; length++)
        {
            for (int bad = 0; bad < length; bad += 1 + bad / 8)
            {
                byte[] data = Encode(type, length, bad);
                Assert.Equal(bad, FiniteScan.FirstNonFinite(data, type));
            }

            Assert.Equal(-1, FiniteScan.FirstNonFinite(Encode(type, length, -1), type));
        }
    }

    // Largest finite values everywhere, so that no exponent is nearly all ones but for the bad one.
    private static byte[] Encode(ElementType type, int length, int bad) => type switch
    {
        ElementType.Float32 => MemoryMarshal.AsBytes<float>(Enumerable.Range(0, length).Select(i => i == bad ? float.NegativeInfinity : i % 2 == 0 ? float.MaxValue : float.MinValue).ToArray()).ToArray(),
        ElementType.Float16 => MemoryMarshal.AsBytes<Half>(Enumerable.Range(0, length).Select(i => i == bad ? Half.NaN : Half.MaxValue).ToArray()).ToArray(),
        _ => MemoryMarshal.AsBytes<ushort>(Enumerable.Range(0, length).Select(i => i == bad ? (ushort)0xFF80 : (ushort)0x7F7F).ToArray()).ToArray(),
    };
}

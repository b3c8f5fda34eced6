using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Models;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>
/// Damaged and hostile float checkpoints: each is one line that names the file, and the tensor and offset where there are
/// any. The control shows that the files they are made from pass.
/// </summary>
public class HostileFloatCheckpointTests
{
    private const string Up = "model.layers.0.mlp.up_proj.weight", Norm = "model.norm.weight", Embedding = "model.embed_tokens.weight";

    /// <summary>Name, how to spoil, and what the message must contain beside the file's name.</summary>
    private static readonly Dictionary<string, (Action<TinyCheckpoint> Spoil, string[] Mentions)> Cases = new()
    {
        ["empty"] = (c => File.WriteAllBytes(c.WeightsFile, []), ["model.safetensors"]),
        ["seven bytes"] = (c => File.WriteAllBytes(c.WeightsFile, c.FileBytes()[..7]), ["model.safetensors", "at byte 0"]),
        ["header length only"] = (c => File.WriteAllBytes(c.WeightsFile, new byte[8]), ["model.safetensors", "at byte 8"]),
        ["header longer than file"] = (c => Length(c, 1L << 20), ["model.safetensors", "at byte 0", "1048576"]),
        ["header over 100 MB"] = (c => Length(c, 1L << 40), ["model.safetensors", "at byte 0", "100000000"]),
        ["header length negative as signed"] = (c => Length(c, -1), ["model.safetensors", "at byte 0"]),
        ["header cut short"] = (c => Length(c, 100), ["model.safetensors", "JSON"]),
        ["not JSON"] = (c => Header(c, new string('x', 300)), ["model.safetensors", "at byte 8"]),
        ["an array"] = (c => Header(c, "[1, 2]"), ["model.safetensors", "at byte 8"]),
        ["two values"] = (c => Header(c, "{}{}"), ["model.safetensors", "JSON"]),
        ["bad UTF-8"] = (c => File.WriteAllBytes(c.WeightsFile, TinyCheckpoint.Assemble([(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)'}'], c.Data)), ["model.safetensors", "UTF-8", "at byte 10"]),
        ["deep nesting"] = (c => Header(c, string.Concat(Enumerable.Repeat("{\"a\":", 5000)) + "1" + new string('}', 5000)), ["model.safetensors", "JSON"]),
        ["duplicate tensor"] = (c => Header(c, c.Header.ToJsonString()[..^1] + "," + new JsonObject { [Up] = c.Header[Up]!.DeepClone() }.ToJsonString()[1..]), ["model.safetensors", Up]),
        ["duplicate field"] = (c => Header(c, c.Header.ToJsonString().Replace("\"dtype\":", "\"dtype\":\"F16\",\"dtype\":", StringComparison.Ordinal)), ["model.safetensors", "dtype"]),
        ["truncated data"] = (c => File.WriteAllBytes(c.WeightsFile, c.FileBytes()[..^50]), ["model.safetensors", "lm_head.weight", "at byte"]),
        ["trailing data"] = (c => File.WriteAllBytes(c.WeightsFile, [.. c.FileBytes(), 1, 2, 3]), ["model.safetensors", "at byte", "3 bytes"]),
        ["entry is no object"] = (c => Set(c, Up, 5), ["model.safetensors", Up]),
        ["unknown field"] = (c => Edit(c, Up, "colour", "red"), ["model.safetensors", Up, "colour"]),
        ["dtype missing"] = (c => Edit(c, Up, "dtype", null), ["model.safetensors", Up, "dtype"]),
        ["dtype unknown"] = (c => Edit(c, Up, "dtype", "Q9"), ["model.safetensors", Up, "Q9"]),
        ["dtype of other size"] = (c => Edit(c, Up, "dtype", "F32"), ["model.safetensors", Up, "at byte"]),
        ["dtype integer"] = (c => Edit(c, Up, "dtype", "I16"), ["model.safetensors", Up, "I16", "at byte"]),
        ["dtype FP8"] = (c => { Edit(c, Up, "dtype", "F8_E4M3"); Edit(c, Up, "shape", new JsonArray(24, 8)); }, ["model.safetensors", Up, "F8_E4M3", "at byte"]),
        ["FP8 with scales"] = (c => Rename(c, "lm_head.weight", "model.layers.0.mlp.up_proj.weight_scale_inv", tied: true), ["model.safetensors", "weight_scale_inv"]),
        ["shape missing"] = (c => Edit(c, Up, "shape", null), ["model.safetensors", Up, "shape"]),
        ["shape negative"] = (c => Edit(c, Up, "shape", new JsonArray(-1, 4)), ["model.safetensors", Up, "-1"]),
        ["shape fractional"] = (c => Edit(c, Up, "shape", new JsonArray(1.5, 4)), ["model.safetensors", Up, "1.5"]),
        ["shape overflows"] = (c => Edit(c, Up, "shape", new JsonArray(1L << 62, 8)), ["model.safetensors", Up, "overflow"]),
        ["shape beyond 64 bits"] = (c => Edit(c, Up, "shape", new JsonArray(JsonNode.Parse("99999999999999999999")!)), ["model.safetensors", Up]),
        ["shape transposed"] = (c => Edit(c, Up, "shape", new JsonArray(8, 12)), ["model.safetensors", Up, "[8, 12]", "[12, 8]", "at byte"]),
        ["shape flattened"] = (c => Edit(c, Up, "shape", new JsonArray(96)), ["model.safetensors", Up, "[96]"]),
        ["offsets reversed"] = (c => Edit(c, Up, "data_offsets", new JsonArray(64, 0)), ["model.safetensors", Up, "backwards"]),
        ["offsets past the end"] = (c => Edit(c, Up, "data_offsets", new JsonArray(0, 1L << 50)), ["model.safetensors", Up, "past"]),
        ["offsets negative"] = (c => Edit(c, Up, "data_offsets", new JsonArray(-2, 190)), ["model.safetensors", Up]),
        ["offsets of one number"] = (c => Edit(c, Up, "data_offsets", new JsonArray(3)), ["model.safetensors", Up]),
        ["offsets as text"] = (c => Edit(c, Up, "data_offsets", new JsonArray("0", "192")), ["model.safetensors", Up]),
        ["overlap"] = (c => Shift(c, Norm, -2), ["model.safetensors", Norm, "overlap", "at byte"]),
        ["gap"] = (c => { c.Data = [.. c.Data, 0, 0]; Shift(c, "lm_head.weight", 2); }, ["model.safetensors", "lm_head.weight", "gap", "at byte"]),
        ["missing tensor leaves a gap"] = (c => { c.Header.Remove(Up); c.Write(); }, ["model.safetensors", "gap"]),
        ["missing tensor"] = (c => Rename(c, Up, "model.layers.0.mlp.other.weight"), ["model.safetensors", Up, "missing"]),
        ["tensor that the model does not have"] = (c => Rename(c, "lm_head.weight", "model.layers.0.self_attn.q_proj.bias", tied: true), ["model.safetensors", "q_proj.bias"]),
        ["metadata not text"] = (c => Set(c, "__metadata__", new JsonObject { ["format"] = 3 }), ["model.safetensors", "__metadata__"]),
        ["NaN in a matrix"] = (c => Poke(c, Up, 77, 0x7E00), ["model.safetensors", Up, "element 77", "at byte"]),
        ["infinity in a matrix"] = (c => Poke(c, Up, 95, 0xFC00), ["model.safetensors", Up, "element 95", "at byte"]),
        ["NaN in a norm"] = (c => Poke(c, Norm, 3, 0x7C01), ["model.safetensors", Norm, "element 3", "at byte"]),
        ["NaN in the embedding"] = (c => Poke(c, Embedding, 0, 0x7FFF), ["model.safetensors", Embedding, "element 0", "at byte"]),
        ["no weights"] = (c => File.Delete(c.WeightsFile), ["model.safetensors", "no such file"]),
        ["weights are a directory"] = (c => { File.Delete(c.WeightsFile); Directory.CreateDirectory(c.WeightsFile); }, ["model.safetensors"]),
        ["no shard"] = (c => { c.WriteSharded(); File.Delete(Path.Combine(c.Directory, "model-00002-of-00002.safetensors")); }, ["model-00002-of-00002.safetensors", "no such file"]),
        ["shard truncated"] = (c => { c.WriteSharded(); Resize(Path.Combine(c.Directory, "model-00001-of-00002.safetensors"), -10); }, ["model-00001-of-00002.safetensors", "at byte"]),
        ["shard lacks a tensor"] = (c => Index(c, map => map[Up] = map[Up]!.GetValue<string>().Contains("00001-of", StringComparison.Ordinal) ? "model-00002-of-00002.safetensors" : "model-00001-of-00002.safetensors"), ["-of-00002.safetensors", Up]),
        ["index lacks a tensor"] = (c => Index(c, map => map.Remove(Up)), ["model.safetensors.index.json", Up]),
        ["index reaches outside"] = (c => Index(c, map => map[Up] = "../model.safetensors"), ["model.safetensors.index.json", Up, "../model.safetensors"]),
        ["index names no text"] = (c => Index(c, map => map[Up] = 7), ["model.safetensors.index.json", Up]),
        ["index is not JSON"] = (c => { c.WriteSharded(); File.WriteAllText(Path.Combine(c.Directory, "model.safetensors.index.json"), "{\"weight_map\": {"); }, ["model.safetensors.index.json", "JSON"]),
        ["index without a map"] = (c => { c.WriteSharded(); File.WriteAllText(Path.Combine(c.Directory, "model.safetensors.index.json"), "{}"); }, ["model.safetensors.index.json", "weight_map"]),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [InlineData("llama", "F16")]
    [InlineData("llama", "BF16")]
    [InlineData("llama", "F32")]
    [InlineData("mistral", "BF16")]
    [InlineData("qwen2", "F16")]
    [InlineData("opt", "F16")]
    public void Control_unmodified_files_load_whole_and_sharded(string type, string dtype)
    {
        using TinyCheckpoint checkpoint = new(type, dtype);
        LoadAll(checkpoint.Directory);
        checkpoint.WriteSharded();
        LoadAll(checkpoint.Directory);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Broken_files_give_one_line_that_names_file_tensor_and_offset(string name)
    {
        (Action<TinyCheckpoint> spoil, string[] mentions) = Cases[name];
        using TinyCheckpoint checkpoint = new();
        spoil(checkpoint);
        CheckpointException e = Assert.Throws<CheckpointException>(() => LoadAll(checkpoint.Directory));
        Assert.DoesNotContain('\n', e.Message);
        Assert.StartsWith(checkpoint.Directory, e.Message, StringComparison.Ordinal);
        Assert.All(mentions, text => Assert.Contains(text, e.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void The_offset_of_a_bad_value_is_its_byte_in_the_file()
    {
        using TinyCheckpoint checkpoint = new();
        Poke(checkpoint, Up, 77, 0x7E00);
        CheckpointException e = Assert.Throws<CheckpointException>(() => LoadAll(checkpoint.Directory));
        byte[] file = File.ReadAllBytes(checkpoint.WeightsFile);
        Assert.Equal(0x7E00, BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan((int)e.Offset!.Value)));
    }

    internal static void LoadAll(string directory)
    {
        using IModelSource source = Checkpoint.Open(directory);
        source.LoadEmbedding();
        source.LoadPositions();
        for (int i = 0; i < source.Config.Layers; i++)
        {
            source.LoadBlock(i);
        }

        source.LoadFinalNorm();
        source.LoadHead();
    }

    private static void Length(TinyCheckpoint c, long length)
    {
        byte[] file = c.FileBytes();
        BinaryPrimitives.WriteInt64LittleEndian(file, length);
        File.WriteAllBytes(c.WeightsFile, file);
    }

    private static void Header(TinyCheckpoint c, string header) => File.WriteAllBytes(c.WeightsFile, TinyCheckpoint.Assemble(header, c.Data));

    private static void Set(TinyCheckpoint c, string key, JsonNode? value)
    {
        c.Header[key] = value;
        c.Write();
    }

    private static void Edit(TinyCheckpoint c, string tensor, string field, JsonNode? value)
    {
        if (value is null)
        {
            c.Header[tensor]!.AsObject().Remove(field);
        }
        else
        {
            c.Header[tensor]![field] = value;
        }

        c.Write();
    }

    private static void Shift(TinyCheckpoint c, string tensor, int by)
    {
        JsonArray offsets = c.Header[tensor]!["data_offsets"]!.AsArray();
        Edit(c, tensor, "data_offsets", new JsonArray((int)offsets[0]! + by, (int)offsets[1]! + by));
    }

    private static void Rename(TinyCheckpoint c, string from, string to, bool tied = false)
    {
        JsonNode entry = c.Header[from]!.DeepClone();
        c.Header.Remove(from);
        c.Config["tie_word_embeddings"] = tied;
        c.WriteConfig();
        Set(c, to, entry);
    }

    private static void Poke(TinyCheckpoint c, string tensor, int element, ushort bits)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(c.Data.AsSpan((int)c.Header[tensor]!["data_offsets"]![0]! + 2 * element), bits);
        c.Write();
    }

    private static void Index(TinyCheckpoint c, Action<JsonObject> edit)
    {
        c.WriteSharded();
        string path = Path.Combine(c.Directory, "model.safetensors.index.json");
        JsonObject index = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(index["weight_map"]!.AsObject());
        File.WriteAllText(path, index.ToJsonString());
    }

    private static void Resize(string path, int by)
    {
        using FileStream stream = File.OpenWrite(path);
        stream.SetLength(stream.Length + by);
    }
}

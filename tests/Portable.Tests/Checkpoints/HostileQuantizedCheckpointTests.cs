using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>Damaged and hostile quantized checkpoints: one line that names the file, and tensor and offset where there are any.</summary>
public sealed class HostileQuantizedCheckpointTests : IDisposable
{
    private const string Block = "model-00001-of-00002.safetensors", Tables = "model-00002-of-00002.safetensors", Down = "model.layers.0.mlp.down_proj";

    private static readonly Dictionary<string, (string Scheme, Action<Shard> Spoil, string[] Mentions)> Cases = new()
    {
        ["block missing"] = ("W4A8", s => File.Delete(s.At(Block)), [Block, "no such file"]),
        ["block cut"] = ("W4A8", s => File.WriteAllBytes(s.At(Block), File.ReadAllBytes(s.At(Block))[..^9]), [Block, "bytes"]),
        ["block cut, manifest agrees"] = ("W4A8", s => { File.WriteAllBytes(s.At(Block), File.ReadAllBytes(s.At(Block))[..^9]); s.Measure(Block); }, [Block, "at byte"]),
        ["manifest missing"] = ("W4A8", s => File.Delete(s.At("manifest.json")), ["manifest.json", "no such file"]),
        ["manifest no JSON"] = ("W4A8", s => File.WriteAllText(s.At("manifest.json"), "}"), ["manifest.json", "JSON"]),
        ["manifest of another version"] = ("W4A8", s => s.Json("manifest.json", m => m["version"] = 3), ["manifest.json", "version"]),
        ["manifest of another scheme"] = ("W4A8", s => s.Json("manifest.json", m => m["scheme"] = "W5A8"), ["config.json", "scheme"]),
        ["manifest with a path"] = ("W4A8", s => s.Json("manifest.json", m => m["files"]![0]!["name"] = "../config.json"), ["manifest.json", "../config.json"]),
        ["manifest lacks a layer"] = ("W4A8", s => s.Json("manifest.json", m => m["layers"]!.AsArray().RemoveAt(2)), ["manifest.json", "layers"]),
        ["config of another version"] = ("W4A8", s => s.Config(c => c["quantization_config"]!["version"] = 0), ["config.json", "quantization_config.version"]),
        ["config of the other version"] = ("W4A8", s => s.Config(c => c["quantization_config"]!["version"] = 2), ["config.json", "quantization_config.version", "the manifest's 1"]),
        ["block of the other version"] = ("2 W4A8", s => s.Metadata(m => m["version"] = 1), [Block, "portable.version", "the checkpoint's 2"]),
        ["config with a bad scheme"] = ("W4A8", s => s.Config(c => c["quantization_config"]!["scheme"] = "W9A8"), ["config.json", "quantization_config.scheme"]),
        ["config of another width"] = ("W4A8", s => s.Config(c => c["intermediate_size"] = 13), [Block, "mlp"]),
        ["config of other depth"] = ("W4A8", s => s.Config(c => c["num_hidden_layers"] = 2), ["manifest.json", "layers"]),
        ["metadata gone"] = ("W4A8", s => s.Header(h => h.Remove("__metadata__")), [Block, "portable"]),
        ["metadata no JSON"] = ("W4A8", s => s.Header(h => h["__metadata__"]!["portable"] = "{"), [Block, "JSON"]),
        ["another block's file"] = ("W4A8", s => s.Metadata(m => m["block"] = 1), [Block, "portable.block"]),
        ["linears swapped"] = ("W4A8", s => s.Metadata(m => m["linears"]![0]!["name"] = Down), [Block, Down]),
        ["linear missing"] = ("W4A8", s => s.Metadata(m => m["linears"]!.AsArray().RemoveAt(0)), [Block, "linears"]),
        ["bits out of range"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["bits"] = 9), [Block, "linears[6].bits"]),
        ["other bits than codes"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["bits"] = 5), [Block, Down + ".codes", "at byte"]),
        ["unknown store"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["codes"] = "huffman"), [Block, "linears[6].codes"]),
        ["five levels of another scheme"] = ("W4A8", s => s.Metadata(m => { m["linears"]![6]!["codes"] = "base5"; m["linears"]![6]!["bits"] = 3; m["linears"]![6]!["signed"] = false; }), [Block, "linears[6].codes"]),
        ["unknown mode"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["input"]!["mode"] = "magic"), [Block, "linears[6].input.mode"]),
        ["activation bits"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["input"]!["bits"] = 12), [Block, "linears[6].input.bits"]),
        ["activation groups"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["input"]!["group"] = 3), [Block, "linears[6].input.group"]),
        ["scale of an input"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["input"] = new JsonObject { ["mode"] = "static", ["bits"] = 8, ["group"] = 0, ["scale"] = 1e30 }), [Block, "linears[6].input.scale"]),
        ["columns huge"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["columns"] = 1L << 33), [Block, "linears[6].columns"]),
        ["columns other"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["columns"] = 11), [Block, Down + ".codes"]),
        ["group over columns"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["group"] = 1000), [Block, "linears[6].group"]),
        ["layer scheme"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["scheme"] = "4 bits"), [Block, "linears[6].scheme"]),
        ["error negative"] = ("W4A8", s => s.Metadata(m => m["linears"]![6]!["error"] = -1), [Block, "linears[6].error"]),
        ["codes missing"] = ("W4A8", s => s.Rename(Down + ".codes", Down + ".kodes"), [Block, Down]),
        ["tensor too many"] = ("W4A8", s => s.Rename("model.layers.0.input_layernorm.weight", "model.layers.0.input_layernorm.weight", extra: true), [Block, "extra", "at byte"]),
        ["scales of another dtype"] = ("W4A8", s => s.Header(h => h[Down + ".scales"]!["dtype"] = "I32"), [Block, Down + ".scales", "I32", "at byte"]),
        ["scales of another shape"] = ("W4A8", s => s.Header(h => h[Down + ".scales"]!["shape"] = new JsonArray(1, 8)), [Block, Down + ".scales", "[1, 8]", "at byte"]),
        ["scale NaN"] = ("W4A8", s => s.Poke(Down + ".scales", 4, [0, 0, 0xC0, 0x7F]), [Block, Down + ".scales", "element 1", "at byte"]),
        ["scale zero"] = ("W4A8", s => s.Poke(Down + ".scales", 28, [0, 0, 0, 0]), [Block, Down + ".scales", "element 7", "at byte"]),
        ["scale negative"] = ("W4A8", s => s.Poke(Down + ".scales", 0, [0, 0, 0x80, 0xBF]), [Block, Down + ".scales", "element 0"]),
        ["scale too large"] = ("W4A8", s => s.Poke(Down + ".scales", 0, [0, 0, 0, 0x7F]), [Block, Down + ".scales", "element 0"]),
        ["zero point over the largest code"] = ("W4A8", s => s.Poke(s.WithZeroPoints + ".zero_points", 3, [16]), [Block, ".zero_points", "element 3", "16", "at byte"]),
        ["zero point over five levels"] = ("W2*A8", s => s.Poke(s.WithZeroPoints + ".zero_points", 2, [5]), [Block, ".zero_points", "element 2", "at byte"]),
        ["halves in version 1"] = ("W4A8", s => s.Header(h => h[Down + ".scales"]!["dtype"] = "F16"), [Block, Down + ".scales", "at byte"]),
        ["half of zero"] = ("2 W4A8", s => s.Poke(s.WithHalves + ".scales", 4, [0, 0]), [Block, ".scales", "element 2", "normal half", "at byte"]),
        ["half subnormal"] = ("2 W4A8", s => s.Poke(s.WithHalves + ".scales", 2, [0xFF, 0x03]), [Block, ".scales", "element 1", "at byte"]),
        ["half negative"] = ("2 W4A8", s => s.Poke(s.WithHalves + ".scales", 2, [0x00, 0xBC]), [Block, ".scales", "element 1", "-1", "at byte"]),
        ["half infinite"] = ("2 W4A8", s => s.Poke(s.WithHalves + ".scales", 0, [0x00, 0x7C]), [Block, ".scales", "element 0", "at byte"]),
        ["half NaN"] = ("2 W4A8", s => s.Poke(s.WithHalves + ".scales", 0, [0x01, 0x7E]), [Block, ".scales", "element 0", "at byte"]),
        ["f32 scale of version 2 too small"] = ("2 W4A8", s => s.Poke(s.WithSingles + ".scales", 4, [0, 0, 0, 0x33]), [Block, ".scales", "element 1", "at byte"]),
        ["packed zero points with more bits"] = ("2 W3A8g3", s => s.Poke(s.WithZeroPoints + ".zero_points", 1, [0xF0]), [Block, ".zero_points", "element 1", "row 0", "at byte"]),
        ["packed zero points of another shape"] = ("2 W4A8g3", s => s.Header(h => h[s.WithZeroPoints + ".zero_points"]!["shape"] = new JsonArray(2, 8)), [Block, ".zero_points", "[2, 8]", "at byte"]),
        ["packed zero point over five levels"] = ("2 W2*A8g3", s => s.Poke(s.WithZeroPoints + ".zero_points", 0, [0x06]), [Block, ".zero_points", "row 0, group 0", "6", "at byte"]),
        ["groups of activations out of step"] = ("2 W4A8g4", s => s.Metadata(m => m["linears"]![6]!["input"]!["group"] = 6), [Block, "linears[6].input.group", "in step"]),
        ["groups of activations of their own in version 1"] = ("W4A8g4", s => s.Metadata(m => m["linears"]![6]!["input"]!["group"] = 8), [Block, "linears[6].input.group"]),
        ["half of a table"] = ("2 W4A8H4", s => s.Poke("model.embed_tokens.scales", 4, [0, 0], Tables), [Tables, "model.embed_tokens.scales", "element 2", "at byte"]),
        ["bits behind the last column"] = ("W4A8", s => s.Poke(Down + ".codes", 8 + 3, [0x10]), [Block, Down + ".codes", "row 1", "at byte"]),
        ["no base-5 triple"] = ("W2*A8", s => s.Poke("model.layers.0.self_attn.o_proj.codes", 3, [0x7F]), [Block, "o_proj.codes", "row 1", "at byte"]),
        ["base-5 behind the last column"] = ("W2*A8", s => s.Poke("model.layers.0.self_attn.o_proj.codes", 2, [0x80]), [Block, "o_proj.codes", "row 0"]),
        ["norm NaN"] = ("W4A8", s => s.Poke("model.layers.0.input_layernorm.weight", 6, [0, 0x7E]), [Block, "input_layernorm.weight", "element 3", "at byte"]),
        ["embedding infinite"] = ("W4A8", s => s.Poke("model.embed_tokens.weight", 10, [0, 0xFC], Tables), [Tables, "model.embed_tokens.weight", "element 5", "at byte"]),
        ["embedding of another shape"] = ("W4A8", s => s.Header(h => h["model.embed_tokens.weight"]!["shape"] = new JsonArray(8, 16), Tables), [Tables, "model.embed_tokens.weight", "at byte"]),
        ["embedding of integers"] = ("W4A8", s => s.Header(h => h["model.embed_tokens.weight"]!["dtype"] = "I16", Tables), [Tables, "model.embed_tokens.weight", "I16", "at byte"]),
        ["table metadata gone"] = ("W4A8H4", s => s.Header(h => h.Remove("__metadata__"), Tables), [Tables, "portable"]),
        ["table metadata of another version"] = ("W4A8H4", s => s.Metadata(m => m["version"] = 2, Tables), [Tables, "portable.version", "the checkpoint's 1"]),
        ["table missing in the metadata"] = ("W4A8H4", s => s.Metadata(m => m["tables"]!.AsArray().RemoveAt(1), Tables), [Tables, "portable.tables"]),
        ["tables swapped"] = ("W4A8H4", s => s.Metadata(m => m["tables"]![0]!["name"] = "lm_head", Tables), [Tables, "portable.tables[0].name"]),
        ["table of another width than the scheme"] = ("W4A8H4", s => { s.Config(c => c["quantization_config"]!["scheme"] = "W4A8H5"); s.Json("manifest.json", m => m["scheme"] = "W4A8H5"); }, [Tables, "model.embed_tokens.codes", "H5", "at byte"]),
        ["table in groups"] = ("W4A8H4", s => s.Metadata(m => m["tables"]![0]!["group"] = 4, Tables), [Tables, "model.embed_tokens.", "at byte"]),
        ["table for 16-bit activations"] = ("W4A8H4", s => s.Metadata(m => m["tables"]![1]!["input"]!["bits"] = 16, Tables), [Tables, "lm_head.codes", "8-bit activations"]),
        ["table of floats under an H part"] = ("W4A8", s => { s.Config(c => c["quantization_config"]!["scheme"] = "W4A8H4"); s.Json("manifest.json", m => m["scheme"] = "W4A8H4"); }, ["manifest.json", "layers"]),
        ["table of codes without an H part"] = ("W4A8H4", s => { s.Config(c => c["quantization_config"]!["scheme"] = "W4A8"); s.Json("manifest.json", m => { m["scheme"] = "W4A8"; m["layers"]!.AsArray().RemoveAt(8); m["layers"]!.AsArray().RemoveAt(7); }); }, [Tables, "model.embed_tokens.weight"]),
        ["scale of a table"] = ("W4A8H4", s => s.Poke("model.embed_tokens.scales", 8, [0, 0, 0, 0], Tables), [Tables, "model.embed_tokens.scales", "element 2", "at byte"]),
        ["zero point of a table"] = ("W4A8H4", s => s.Poke("lm_head.zero_points", 5, [16], Tables), [Tables, "lm_head.zero_points", "element 5", "at byte"]),
        ["tables missing"] = ("W4A8", s => File.Delete(s.At(Tables)), [Tables, "no such file"]),
    };

    private readonly TinyCheckpoint _checkpoint = new(inner: 12, hidden: 8);

    public static TheoryData<string> Names => [.. Cases.Keys];

    public void Dispose() => _checkpoint.Dispose();

    [Theory]
    [InlineData("W4A8")]
    [InlineData("W2*A8")]
    [InlineData("W4A8H4")]
    [InlineData("W4A8g4")]
    [InlineData("2 W4A8")]
    [InlineData("2 W2*A8g3")]
    [InlineData("2 W4A8g3")]
    [InlineData("2 W3A8g3")]
    [InlineData("2 W4A8g4a8H4")]
    public void Control_the_unspoilt_checkpoint_loads(string scheme) => HostileFloatCheckpointTests.LoadAll(Make(scheme).Directory);

    [Theory]
    [MemberData(nameof(Names))]
    public void Broken_files_give_one_line_that_names_file_tensor_and_offset(string name)
    {
        (string scheme, Action<Shard> spoil, string[] mentions) = Cases[name];
        Shard shard = Make(scheme);
        spoil(shard);
        CheckpointException e = Assert.Throws<CheckpointException>(() => HostileFloatCheckpointTests.LoadAll(shard.Directory));
        Assert.DoesNotContain('\n', e.Message);
        Assert.StartsWith(shard.Directory, e.Message, StringComparison.Ordinal);
        Assert.All(mentions, text => Assert.Contains(text, e.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Hashes_find_what_is_valid_but_changed()
    {
        Shard shard = Make("W4A8");
        shard.Poke("model.layers.0.self_attn.q_proj.codes", 0, [(byte)~shard.Peek("model.layers.0.self_attn.q_proj.codes", 0)]);
        using PortableCheckpoint checkpoint = PortableCheckpoint.Open(shard.Directory);
        Assert.Equal([new FileDifference(Block, "differs")], ManifestCheck.Differences(shard.Directory, checkpoint.Manifest));
    }

    private Shard Make(string scheme)
    {
        string output = Path.Combine(_checkpoint.Directory, "out");
        string[] words = scheme.Split(' ');
        RandomQuantizedBlocks.Write(_checkpoint, output, words[^1], seed: 2, version: words.Length == 1 ? 1 : 2);
        return new Shard(output);
    }

    /// <summary>A quantized checkpoint whose files the tests take apart and put together on their own.</summary>
    private sealed class Shard(string directory)
    {
        public string Directory => directory;

        /// <summary>A linear that has zero points.</summary>
        public string WithZeroPoints => Read(Block).Header.Select(e => e.Key).First(k => k.EndsWith(".zero_points", StringComparison.Ordinal))[..^".zero_points".Length];

        /// <summary>A linear whose scales are halves.</summary>
        public string WithHalves => WithScales("F16");

        /// <summary>A linear whose scales are f32.</summary>
        public string WithSingles => WithScales("F32");

        public string At(string file) => Path.Combine(directory, file);

        private string WithScales(string dtype) =>
            Read(Block).Header.First(e => e.Key.EndsWith(".scales", StringComparison.Ordinal) && (string)e.Value!["dtype"]! == dtype).Key[..^".scales".Length];

        public void Json(string file, Action<JsonObject> edit)
        {
            JsonObject json = JsonNode.Parse(File.ReadAllText(At(file)))!.AsObject();
            edit(json);
            File.WriteAllText(At(file), json.ToJsonString());
        }

        public void Config(Action<JsonObject> edit)
        {
            Json("config.json", edit);
            Measure("config.json");
        }

        public void Header(Action<JsonObject> edit, string file = Block)
        {
            (JsonObject header, byte[] data) = Read(file);
            edit(header);
            Write(file, header, data);
        }

        public void Metadata(Action<JsonObject> edit, string file = Block) => Header(header =>
        {
            JsonObject own = JsonNode.Parse((string)header["__metadata__"]!["portable"]!)!.AsObject();
            edit(own);
            header["__metadata__"]!["portable"] = own.ToJsonString();
        }, file);

        public void Rename(string from, string to, bool extra = false) => Header(header =>
        {
            JsonNode entry = header[from]!.DeepClone();
            header.Remove(from);
            header[to] = entry;
            if (extra)
            {
                header["extra"] = new JsonObject { ["dtype"] = "U8", ["shape"] = new JsonArray(0), ["data_offsets"] = new JsonArray(0, 0) };
            }
        });

        public void Poke(string tensor, int at, byte[] bytes, string file = Block)
        {
            (JsonObject header, byte[] data) = Read(file);
            bytes.CopyTo(data, (int)header[tensor]!["data_offsets"]![0]! + at);
            Write(file, header, data);
        }

        public byte Peek(string tensor, int at)
        {
            (JsonObject header, byte[] data) = Read(Block);
            return data[(int)header[tensor]!["data_offsets"]![0]! + at];
        }

        /// <summary>Lets the manifest agree with a file's new length.</summary>
        public void Measure(string file) => Json("manifest.json", manifest =>
            manifest["files"]!.AsArray().Single(f => (string)f!["name"]! == file)!["bytes"] = new FileInfo(At(file)).Length);

        private (JsonObject Header, byte[] Data) Read(string file)
        {
            byte[] bytes = File.ReadAllBytes(At(file));
            int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            return (JsonNode.Parse(Encoding.UTF8.GetString(bytes, 8, length))!.AsObject(), bytes[(8 + length)..]);
        }

        private void Write(string file, JsonObject header, byte[] data)
        {
            File.WriteAllBytes(At(file), TinyCheckpoint.Assemble(header.ToJsonString(), data));
            Measure(file);
        }
    }
}

using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portable.Tests.Checkpoints;

/// <summary>A random float checkpoint of one small block, written by the tests' own code so that every byte can be spoilt.</summary>
internal sealed class TinyCheckpoint : IDisposable
{
    private const int Heads = 2, Vocabulary = 16, PositionCount = 10;

    public TinyCheckpoint(string type = "llama", string dtype = "F16", Action<JsonObject>? config = null, int hidden = 8, int inner = 12, int layers = 1)
    {
        (Hidden, Inner, Layers) = (hidden, inner, layers);
        Directory = System.IO.Directory.CreateTempSubdirectory("portable-test-").FullName;
        Config = type == "opt"
            ? new JsonObject { ["model_type"] = type, ["vocab_size"] = Vocabulary, ["hidden_size"] = Hidden, ["ffn_dim"] = Inner, ["num_hidden_layers"] = layers, ["num_attention_heads"] = Heads, ["max_position_embeddings"] = PositionCount }
            : new JsonObject { ["model_type"] = type, ["vocab_size"] = Vocabulary, ["hidden_size"] = Hidden, ["intermediate_size"] = Inner, ["num_hidden_layers"] = layers, ["num_attention_heads"] = Heads, ["num_key_value_heads"] = 1, ["max_position_embeddings"] = PositionCount, ["tie_word_embeddings"] = false };
        Config["bos_token_id"] = 1;
        Config["eos_token_id"] = 2;
        config?.Invoke(Config);
        int size = dtype == "F32" ? 4 : 2, offset = 0;
        Random random = new(type.Length);
        List<byte> data = [];
        foreach ((string name, int[] shape) in Tensors(type))
        {
            int elements = shape.Aggregate(1, (a, b) => a * b), length = elements * size;
            Header[name] = new JsonObject { ["dtype"] = dtype, ["shape"] = new JsonArray([.. shape.Select(d => (JsonNode)d)]), ["data_offsets"] = new JsonArray(offset, offset + length) };
            offset += length;
            for (int i = 0; i < elements; i++)
            {
                float value = (float)(random.NextDouble() - 0.5);
                byte[] bytes = BitConverter.GetBytes(value);
                data.AddRange(dtype switch { "F32" => bytes, "BF16" => bytes[2..], _ => BitConverter.GetBytes((Half)value) });
            }
        }

        Data = [.. data];
        WriteConfig();
        Write();
    }

    public int Hidden { get; }

    public int Inner { get; }

    public int Layers { get; }

    public string Directory { get; }

    public JsonObject Config { get; }

    public JsonObject Header { get; } = [];

    public byte[] Data { get; set; }

    public string WeightsFile => Path.Combine(Directory, "model.safetensors");

    public byte[] FileBytes() => Assemble(Header.ToJsonString(), Data);

    public static byte[] Assemble(string header, byte[] data) => Assemble(Encoding.UTF8.GetBytes(header), data);

    public static byte[] Assemble(byte[] header, byte[] data)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        return [.. length, .. header, .. data];
    }

    public void Write() => File.WriteAllBytes(WeightsFile, FileBytes());

    public void WriteConfig() => File.WriteAllText(Path.Combine(Directory, "config.json"), Config.ToJsonString());

    /// <summary>Splits into two shards with an index.</summary>
    public void WriteSharded()
    {
        File.Delete(WeightsFile);
        JsonObject map = [];
        string[] names = [.. Header.Select(e => e.Key)];
        for (int shard = 0; shard < 2; shard++)
        {
            string file = $"model-0000{shard + 1}-of-00002.safetensors";
            JsonObject header = [];
            List<byte> data = [];
            foreach (string name in names.Where((_, i) => i % 2 == shard))
            {
                JsonNode entry = Header[name]!.DeepClone();
                int begin = (int)entry["data_offsets"]![0]!, end = (int)entry["data_offsets"]![1]!;
                entry["data_offsets"] = new JsonArray(data.Count, data.Count + end - begin);
                data.AddRange(Data[begin..end]);
                header[name] = entry;
                map[name] = file;
            }

            File.WriteAllBytes(Path.Combine(Directory, file), Assemble(header.ToJsonString(), [.. data]));
        }

        File.WriteAllText(Path.Combine(Directory, "model.safetensors.index.json"), new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);

    private IEnumerable<(string Name, int[] Shape)> Tensors(string type)
    {
        string root = type == "opt" ? "model.decoder." : "model.";
        yield return (root + "embed_tokens.weight", [Vocabulary, Hidden]);
        if (type == "opt")
        {
            yield return (root + "embed_positions.weight", [PositionCount + 2, Hidden]);
        }

        for (int layer = 0; layer < Layers; layer++)
        {
            string block = $"{root}layers.{layer}.";
            foreach ((string name, int[] shape) in type == "opt" ? OptBlock() : LlamaBlock(type))
            {
                yield return (block + name, shape);
            }
        }

        yield return (root + (type == "opt" ? "final_layer_norm.weight" : "norm.weight"), [Hidden]);
        if (type == "opt")
        {
            yield return (root + "final_layer_norm.bias", [Hidden]);
        }
        else if ((bool?)Config["tie_word_embeddings"] != true)
        {
            yield return ("lm_head.weight", [Vocabulary, Hidden]);
        }
    }

    private IEnumerable<(string Name, int[] Shape)> OptBlock()
    {
        foreach (string norm in (string[])["self_attn_layer_norm", "final_layer_norm"])
        {
            yield return (norm + ".weight", [Hidden]);
            yield return (norm + ".bias", [Hidden]);
        }

        foreach ((string name, int n, int k) in ((string, int, int)[])[("self_attn.q_proj", Hidden, Hidden), ("self_attn.k_proj", Hidden, Hidden), ("self_attn.v_proj", Hidden, Hidden), ("self_attn.out_proj", Hidden, Hidden), ("fc1", Inner, Hidden), ("fc2", Hidden, Inner)])
        {
            yield return (name + ".weight", [n, k]);
            yield return (name + ".bias", [n]);
        }
    }

    private IEnumerable<(string Name, int[] Shape)> LlamaBlock(string type)
    {
        yield return ("input_layernorm.weight", [Hidden]);
        yield return ("post_attention_layernorm.weight", [Hidden]);
        bool attentionBias = type == "qwen2" || (bool?)Config["attention_bias"] == true, mlpBias = (bool?)Config["mlp_bias"] == true;
        foreach ((string name, int n, int k, bool bias) in ((string, int, int, bool)[])
            [("self_attn.q_proj", Hidden, Hidden, attentionBias), ("self_attn.k_proj", Hidden / 2, Hidden, attentionBias), ("self_attn.v_proj", Hidden / 2, Hidden, attentionBias),
             ("self_attn.o_proj", Hidden, Hidden, attentionBias && type != "qwen2"), ("mlp.gate_proj", Inner, Hidden, mlpBias), ("mlp.up_proj", Inner, Hidden, mlpBias), ("mlp.down_proj", Hidden, Inner, mlpBias)])
        {
            yield return (name + ".weight", [n, k]);
            if (bias)
            {
                yield return (name + ".bias", [n]);
            }
        }
    }
}

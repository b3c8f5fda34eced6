using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.HuggingFace;
using Portable.Models;
using Portable.Tests.Models;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>config.json as the reference implementation writes it, for every architecture: every field is read with its type, or known to bear on nothing.</summary>
public sealed class ZooConfigTests
{
    // What training, sampling, storage and caches have to say; the computation of logits does not depend on it.
    private static readonly HashSet<string> Ignored =
    [
        "architectures", "attention_dropout", "bos_token_id", "dtype", "embd_pdrop", "eos_token_id", "initializer_range", "pad_token_id", "pretraining_tp", "resid_pdrop", "transformers_version", "use_cache",
    ];

    // Fields that another field of the same file makes idle.
    private static readonly Dictionary<string, string[]> Idle = new()
    {
        ["phi3-plain"] = ["original_max_position_embeddings"], // no scaling
        ["qwen2"] = ["sliding_window"], // use_sliding_window
        ["qwen3"] = ["sliding_window"],
        ["qwen3-yarn"] = ["sliding_window"],
        ["smollm3"] = ["no_rope_layer_interval", "sliding_window"], // no_rope_layers
    };

    [SkippableTheory]
    [MemberData(nameof(ZooTests.Names), MemberType = typeof(ZooTests))]
    public void EveryFieldHasItsType(string name)
    {
        using Copy copy = new(name);
        foreach (string[] path in Leaves(copy.Config, []))
        {
            JsonObject spoilt = copy.Config.DeepClone().AsObject();
            Set(spoilt, path, JsonNode.Parse("""{"a": [1]}""")!);
            copy.Write(spoilt);
            string field = path[^1];
            bool idle = Ignored.Contains(field) || (Idle.GetValueOrDefault(name)?.Contains(field) ?? false);
            if (idle)
            {
                ConfigFile.Read(copy.Directory);
                continue;
            }

            CheckpointException e = Assert.Throws<CheckpointException>(() => ConfigFile.Read(copy.Directory));
            Assert.DoesNotContain('\n', e.Message);
            Assert.StartsWith(Path.Combine(copy.Directory, "config.json"), e.Message, StringComparison.Ordinal);
            Assert.Contains(field, e.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>What a file leaves out is the family's default, or said to be missing; never a fault without a name.</summary>
    [SkippableTheory]
    [MemberData(nameof(ZooTests.Names), MemberType = typeof(ZooTests))]
    public void EveryFieldMayBeAbsentOrIsNamed(string name)
    {
        using Copy copy = new(name);
        foreach (string[] path in Leaves(copy.Config, []))
        {
            foreach (bool absent in (bool[])[true, false])
            {
                JsonObject spoilt = copy.Config.DeepClone().AsObject();
                JsonObject holder = path[..^1].Aggregate(spoilt, (o, key) => o[key]!.AsObject());
                if (absent)
                {
                    holder.Remove(path[^1]);
                }
                else
                {
                    holder[path[^1]] = null;
                }

                copy.Write(spoilt);
                try
                {
                    using IModelSource source = Checkpoint.Open(copy.Directory);
                    Assert.NotEmpty(source.Config.Blocks);
                }
                catch (CheckpointException e)
                {
                    Assert.DoesNotContain('\n', e.Message);
                    Assert.Matches("field '|tensor", e.Message);
                }
            }
        }
    }

    /// <summary>Other spellings of the same model, of older and newer writers: the same blocks, factors and positions.</summary>
    [SkippableTheory]
    [MemberData(nameof(ZooTests.Names), MemberType = typeof(ZooTests))]
    public void EverySpellingIsTheSameModel(string name)
    {
        using Copy copy = new(name);
        string expected = Describe(ConfigFile.Read(copy.Directory));
        foreach ((string spelling, Action<JsonObject> respell) in Spellings)
        {
            JsonObject config = copy.Config.DeepClone().AsObject();
            respell(config);
            copy.Write(config);
            Assert.True(expected == Describe(ConfigFile.Read(copy.Directory)), $"{name}: {spelling}");
        }
    }

    // What each does not concern it leaves alone.
    private static readonly (string Name, Action<JsonObject> Respell)[] Spellings =
    [
        ("torch_dtype", c => (c["torch_dtype"], _) = (c["dtype"]!.DeepClone(), c.Remove("dtype"))),
        ("rope_theta and rope_scaling", c =>
        {
            if (c["rope_parameters"] is JsonObject rope && rope.ContainsKey("rope_type") && Type(c) != "ministral3")
            {
                c.Remove("rope_parameters");
                (c["rope_theta"], c["rope_scaling"]) = (rope["rope_theta"]!.DeepClone(), rope.DeepClone());
            }
        }),
        ("type for rope_type", c =>
        {
            if (c["rope_parameters"] is JsonObject rope && rope.ContainsKey("rope_type"))
            {
                rope["type"] = rope["rope_type"]!.DeepClone();
                rope.Remove("rope_type");
            }
        }),
        ("both sections alike", c => c["rope_scaling"] = c["rope_parameters"]!.DeepClone()),
        ("original length beside the section", c =>
        {
            if (c["rope_parameters"] is JsonObject rope && rope["original_max_position_embeddings"] is { } original)
            {
                rope.Remove("original_max_position_embeddings");
                c["original_max_position_embeddings"] = original.DeepClone();
            }
        }),
        ("rotary part beside the section", c =>
        {
            if (c["rope_parameters"] is JsonObject rope && rope["partial_rotary_factor"] is { } part)
            {
                rope.Remove("partial_rotary_factor");
                c["partial_rotary_factor"] = part.DeepClone();
            }
        }),
        ("no default part", c =>
        {
            if (c["rope_parameters"] is JsonObject rope && rope["partial_rotary_factor"]?.GetValue<double>() == 1)
            {
                rope.Remove("partial_rotary_factor");
            }
        }),
        ("no head_dim where it divides", c =>
        {
            if (c["head_dim"] is { } head && head.GetValue<int>() * c["num_attention_heads"]!.GetValue<int>() == c["hidden_size"]!.GetValue<int>())
            {
                c.Remove("head_dim");
                if (Type(c) is "qwen3" or "ministral3")
                {
                    c["head_dim"] = null; // These have a size of their own where the field is not there at all.
                }
            }
        }),
        ("no layer_types where they are the family's", c =>
        {
            if (Type(c) is "gemma2" or "gemma3_text" or "olmo3" or "qwen2" or "qwen3" or "smollm3")
            {
                c.Remove("layer_types");
            }
        }),
        ("pattern of windows by its older name", c =>
        {
            if (c["_sliding_window_pattern"] is { } pattern)
            {
                c.Remove("layer_types");
                c.Remove("_sliding_window_pattern");
                c["sliding_window_pattern"] = pattern.DeepClone();
            }
        }),
        ("no-rope layers by their interval", c => c.Remove("no_rope_layers")),
        ("no tie where it is the family's", c =>
        {
            if (c["tie_word_embeddings"]!.GetValue<bool>() == (Type(c) is "gemma2" or "gemma3_text" or "smollm3"))
            {
                c.Remove("tie_word_embeddings");
            }
        }),
        ("no flags that are false", c =>
        {
            foreach (string flag in c.Where(f => f.Value?.GetValueKind() == JsonValueKind.False && f.Key != "tie_word_embeddings").Select(f => f.Key).ToArray())
            {
                c.Remove(flag);
            }
        }),
        ("no nulls", c =>
        {
            foreach (string field in c.Where(f => f.Value is null && f.Key != "sliding_window").Select(f => f.Key).ToArray())
            {
                c.Remove(field);
            }
        }),
        ("nested in text_config", c =>
        {
            JsonNode text = c.DeepClone();
            c.Clear();
            (c["model_type"], c["text_config"], c["vision_config"]) = ("something_with_eyes", text, new JsonObject());
        }),
        ("nothing of training", c =>
        {
            foreach (string field in Ignored)
            {
                c.Remove(field);
            }
        }),
    ];

    private static string Type(JsonObject config) => config["model_type"]!.GetValue<string>();

    /// <summary>All that is computed, positions as their tables.</summary>
    private static string Describe(ModelConfig config) => string.Join('\n', config.Blocks.Select(b =>
        $"{b with { Rotary = null }} {string.Join(' ', new[] { 40, 400 }.Select(length => b.Rotary is { } rotary ? Hash(rotary.Table(length)) : "none"))}"))
        + $"{config.VocabularySize} {config.MaximumPositions} {config.EmbeddingScale} {config.ResidualScale} {config.LogitScale} {config.LogitSoftcap} {config.TiedEmbeddings}";

    private static string Hash(Reference.Arithmetic.RotaryTable table)
    {
        HashCode hash = default;
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.Cosines));
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.Sines));
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(table.QuerySine(table.Positions - 1)));
        return $"{table.Half} {hash.ToHashCode()}";
    }

    /// <summary>1 + w is added in single precision, as the reference does, not rounded to the type of the file.</summary>
    [SkippableTheory]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("nemotron")]
    public void GainsAreNotRoundedToTheFilesType(string name)
    {
        using Copy copy = new(name);
        using IModelSource source = Checkpoint.Open(copy.Directory);
        Assert.Contains(source.LoadBlock(0)[Reference.Blocks.BlockNorm.Mlp].Gain, gain => (BitConverter.SingleToUInt32Bits(gain) & 0xFFFF) != 0);
    }

    /// <summary>Files that hold a vision model as well: the language half under any of the names in use, tensors of the other skipped and said.</summary>
    [SkippableTheory]
    [InlineData("gemma3", "gemma3", "language_model.model.", "vision_tower.")]
    [InlineData("gemma3", "gemma3", "model.language_model.", "model.vision_tower.")]
    [InlineData("mistral", "mistral3", "language_model.model.", "multi_modal_projector.")]
    [InlineData("ministral3", "mistral3", "model.language_model.", "model.multi_modal_projector.")]
    public void TheLanguageHalfOfAVisionModel(string name, string outer, string root, string vision)
    {
        using Copy copy = new(name);
        using IModelSource plain = Checkpoint.Open(copy.Directory);
        string language = root.EndsWith(".model.", StringComparison.Ordinal) ? root[..^"model.".Length] : "";
        copy.Rename(tensor => tensor == "lm_head.weight" ? language + tensor : root + tensor["model.".Length..], vision + "encoder.weight");
        JsonObject text = copy.Config.DeepClone().AsObject(), whole = new() { ["model_type"] = outer, ["tie_word_embeddings"] = text["tie_word_embeddings"]!.DeepClone(), ["eos_token_id"] = 5 };
        text.Remove("tie_word_embeddings");
        text.Remove("eos_token_id");
        (whole["text_config"], whole["vision_config"]) = (text, new JsonObject { ["hidden_size"] = 4 });
        copy.Write(whole);
        using IModelSource both = Checkpoint.Open(copy.Directory);
        Assert.Equal(plain.LoadBlock(1)[Reference.Blocks.BlockSlot.Down].Float!.Data.ToArray(), both.LoadBlock(1)[Reference.Blocks.BlockSlot.Down].Float!.Data.ToArray());
        Assert.Equal(plain.Config.TiedEmbeddings, both.Config.TiedEmbeddings);
        Assert.Equal(plain.Config.Blocks, both.Config.Blocks);
        Assert.Contains(5, both.Config.EndTokens);
        Assert.Contains(both.Config.Notes, note => note.StartsWith("1 tensors of the vision model", StringComparison.Ordinal));

        // A vision file's tensor that is neither half's is not passed over.
        copy.Rename(tensor => tensor, "model.audio_tower.weight");
        Assert.Contains("model.audio_tower.weight", Assert.Throws<CheckpointException>(() => Checkpoint.Open(copy.Directory).Dispose()).Message, StringComparison.Ordinal);
    }

    private static IEnumerable<string[]> Leaves(JsonObject fields, string[] path) =>
        fields.SelectMany(f => f.Value is JsonObject inner ? Leaves(inner, [.. path, f.Key]) : [[.. path, f.Key]]);

    private static void Set(JsonObject root, string[] path, JsonNode value)
    {
        JsonObject holder = path[..^1].Aggregate(root, (o, key) => o[key]!.AsObject());
        if (holder[path[^1]] is JsonArray array)
        {
            array[^1] = value;
        }
        else
        {
            holder[path[^1]] = value;
        }
    }

    /// <summary>A checkpoint of the zoo with a config of its own, the tensors linked.</summary>
    private sealed class Copy : IDisposable
    {
        private readonly string _source;

        public Copy(string name)
        {
            string? source = SharedData.Models($"zoo/{name}");
            Skip.If(source is null, SharedData.Absent);
            _source = source;
            Directory = System.IO.Directory.CreateTempSubdirectory("portable-zoo-").FullName;
            Config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
            File.CreateSymbolicLink(Weights, Path.Combine(source, "model.safetensors"));
            Write(Config);
        }

        public string Directory { get; }

        public JsonObject Config { get; }

        private string Weights => Path.Combine(Directory, "model.safetensors");

        public void Write(JsonObject config) => File.WriteAllText(Path.Combine(Directory, "config.json"), config.ToJsonString());

        /// <summary>Other names for the tensors that are there, and one tensor of two bytes more.</summary>
        public void Rename(Func<string, string> rename, string more)
        {
            byte[] file = File.ReadAllBytes(Weights);
            int length = (int)BitConverter.ToInt64(file), data = file.Length - 8 - length;
            JsonObject header = JsonNode.Parse(file.AsSpan(8, length))!.AsObject(), renamed = [];
            foreach ((string name, JsonNode? value) in header)
            {
                renamed[name == "__metadata__" ? name : rename(name)] = value!.DeepClone();
            }

            renamed[more] = new JsonObject { ["dtype"] = "BF16", ["shape"] = new JsonArray(1), ["data_offsets"] = new JsonArray(data, data + 2) };
            File.Delete(Weights);
            File.WriteAllBytes(Weights, TinyCheckpoint.Assemble(renamed.ToJsonString(), [.. file.AsSpan(8 + length), 0, 0]));
        }

        public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
    }
}

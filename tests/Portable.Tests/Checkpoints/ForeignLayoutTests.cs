using System.Text;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>What people give in place of a model directory: one line that says what it is and what to do.</summary>
public sealed class ForeignLayoutTests : IDisposable
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    private readonly string _directory = Directory.CreateTempSubdirectory("portable-foreign-").FullName;

    private static readonly Dictionary<string, (string[] Files, string Says)> Cases = new()
    {
        ["GGUF"] = (["model-Q4_K_M.gguf"], "GGUF"),
        ["GGUF and config"] = (["model.gguf", "config.json"], "GGUF"),
        ["pickles"] = (["config.json", "pytorch_model.bin", "tokenizer.json"], "pickles"),
        ["sharded pickles"] = (["config.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"], "pickles"),
        ["original weights"] = (["consolidated.00.pth", "params.json"], "pickles"),
        ["no index"] = (["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], "model.safetensors.index.json"),
        ["quantized without config"] = (["manifest.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], "config.json: no such file"),
        ["shards without config"] = (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], "config.json: no such file"),
        ["no weights"] = (["config.json", "tokenizer.json"], "model.safetensors: no such file"),
        ["adapter"] = (["adapter_config.json", "adapter_model.safetensors"], "adapter"),
        ["cache"] = (["snapshots/5206a32e0bd3067aef1ce90f5528ade7d866253f/config.json", "refs/main"], "snapshots/5206a32e0bd3067aef1ce90f5528ade7d866253f"),
        ["another framework"] = (["config.json", "flax_model.msgpack"], "another framework"),
        ["nothing"] = (["README.md"], "config.json"),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Names))]
    public void DirectoriesWithoutAModel(string name)
    {
        (string[] files, string says) = Cases[name];
        foreach (string file in files)
        {
            string path = Path.Combine(_directory, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "{\"model_type\": \"llama\"}");
        }

        AssertSays(_directory, says);
    }

    [Theory]
    [InlineData("meta-llama/Llama-3.1-8B", "hf download meta-llama/Llama-3.1-8B")]
    [InlineData("Qwen/Qwen2-0.5B", "hf download")]
    [InlineData("/no/such/place", "no such directory")]
    [InlineData("nowhere", "no such directory")]
    public void PathsThatAreNone(string path, string says) => AssertSays(path, says);

    [Theory]
    [InlineData("llama.gguf", "GGUF")]
    [InlineData("model.safetensors", "give its directory")]
    [InlineData("model.pth", "pickle")]
    [InlineData("notes.txt", "not a file")]
    public void FilesInPlaceOfADirectory(string file, string says)
    {
        string path = Path.Combine(_directory, file);
        File.WriteAllText(path, "x");
        AssertSays(path, says);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public void PointersOfGitLfs(string file)
    {
        using TinyCheckpoint checkpoint = new();
        File.WriteAllBytes(Path.Combine(checkpoint.Directory, file), Encoding.ASCII.GetBytes(Pointer));
        AssertSays(checkpoint.Directory, "git lfs pull", file);
    }

    [Theory]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer.model")]
    public void PointersOfGitLfsAsTokenizers(string file)
    {
        File.WriteAllText(Path.Combine(_directory, file), Pointer);
        CheckpointException e = Assert.Throws<CheckpointException>(() => Portable.Tokenizers.Tokenizer.Open(_directory));
        Assert.Contains("git lfs pull", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PointersOfGitLfsAmongShards()
    {
        using TinyCheckpoint checkpoint = new();
        checkpoint.WriteSharded();
        const string Shard = "model-00002-of-00002.safetensors";
        File.WriteAllText(Path.Combine(checkpoint.Directory, Shard), Pointer);
        AssertSays(checkpoint.Directory, "git lfs pull", Shard);
    }

    private static void AssertSays(string path, string says, string file = "")
    {
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path).Dispose());
        Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
        Assert.Contains(file, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }
}

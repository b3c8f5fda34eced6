using System.Text.Json.Nodes;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>The demo model in a directory of its own, with other words beside the same weights.</summary>
internal sealed class ModelCopy : IDisposable
{
    /// <param name="change">Changes config.json; null = nothing.</param>
    /// <param name="tokenizer">tokenizer_config.json; null = none.</param>
    public ModelCopy(Action<JsonObject>? change = null, string? tokenizer = null)
    {
        foreach (string file in System.IO.Directory.EnumerateFiles(DemoModel.Directory))
        {
            File.Copy(file, Path.Combine(Directory, Path.GetFileName(file)));
        }

        string path = Path.Combine(Directory, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change?.Invoke(config);
        File.WriteAllText(path, config.ToJsonString());
        if (tokenizer is not null)
        {
            File.WriteAllText(Path.Combine(Directory, "tokenizer_config.json"), tokenizer);
        }
    }

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("portable-door").FullName;

    public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
}

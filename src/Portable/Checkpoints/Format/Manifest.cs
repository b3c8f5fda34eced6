using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Format;

/// <summary>A file of a quantized checkpoint as its manifest describes it.</summary>
/// <param name="Name">Name in the directory; '/' in front of what lies in a folder of it.</param>
/// <param name="Bytes">Length.</param>
/// <param name="Sha256">64 hexadecimal digits.</param>
internal sealed record ManifestFile(string Name, long Bytes, string Sha256);

/// <summary>The manifest of a quantized checkpoint: how it was made, what it did to each layer, and hashes of its files.</summary>
internal sealed class Manifest
{
    private Manifest(JsonElement root, int version, string method, string scheme, IReadOnlyList<LayerReport> layers, IReadOnlyList<ManifestFile> files) =>
        (Root, Version, Method, Scheme, Layers, Files) = (root, version, method, scheme, layers, files);

    /// <summary>The whole manifest as JSON.</summary>
    public JsonElement Root { get; }

    /// <summary>Version of the format.</summary>
    public int Version { get; }

    /// <summary>Name of the method.</summary>
    public string Method { get; }

    /// <summary>The scheme that was asked for.</summary>
    public string Scheme { get; }

    /// <summary>Scheme and error of every linear, block by block.</summary>
    public IReadOnlyList<LayerReport> Layers { get; }

    /// <summary>All files but the manifest itself.</summary>
    public IReadOnlyList<ManifestFile> Files { get; }

    internal static Manifest Read(string path)
    {
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement);
        if (fields.Text("format") != PortableFormat.QuantMethod)
        {
            throw fields.Error("format", $"'{fields.Text("format")}' is not '{PortableFormat.QuantMethod}'");
        }

        int version = PortableFormat.ReadVersion(fields);
        PortableFormat.ParseScheme(fields);
        List<LayerReport> layers = [.. Objects(fields, "layers").Select(LayerReports.Parse)];
        List<ManifestFile> files = [.. Objects(fields, "files").Select(f => new ManifestFile(f.Text("name"), (long)f.Number("bytes", 0, long.MaxValue), f.Text("sha256")))];
        foreach (ManifestFile file in files)
        {
            // A path could reach anywhere.
            if (file.Name.AsSpan().ContainsAny('\\', ':', '\0') || file.Name.Split('/').Any(part => part is "" or "." or ".."))
            {
                throw fields.Error("files", $"'{file.Name}' is not the name of a file in the checkpoint");
            }
        }

        return new Manifest(document.RootElement.Clone(), version, fields.Text("method"), fields.Text("scheme"), layers, files);
    }

    private static IEnumerable<JsonFields> Objects(JsonFields fields, string name)
    {
        List<JsonElement> elements = fields.Array(name);
        for (int i = 0; i < elements.Count; i++)
        {
            yield return elements[i].ValueKind == JsonValueKind.Object
                ? new JsonFields(fields.Path, elements[i], FormattableString.Invariant($"{name}[{i}]."))
                : throw fields.Error(name, $"entry {i} is not an object");
        }
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.Format;

/// <summary>
/// Writes a quantized checkpoint block by block. The directory appears under its name when <see cref="Finish"/> is done;
/// until then an interrupted run is resumed by opening the writer with the same header, and ends in the same bytes.
/// </summary>
/// <remarks>
/// Blocks, tables and state may be written in any order, each at most once per run; what <see cref="IsBlockFinished"/>
/// reports as finished need not be written again, as long as <see cref="IsIntact"/> does not deny it. Only one process writes
/// a directory at a time.
/// </remarks>
internal sealed class PortableCheckpointWriter : IDisposable
{
    private const string HashEnding = ".sha256";

    private readonly OutputDirectory _output;
    private readonly CheckpointHeader _header;
    private readonly JsonObject _identity;
    private readonly ModelConfig _config;
    private readonly ModelNames _names;
    private readonly JsonObject _sourceConfig;

    // Of the manifest, where a run was killed behind it: the hashes kept beside the shards are gone by then.
    private readonly Dictionary<string, string> _sealed;

    private PortableCheckpointWriter(OutputDirectory output, CheckpointHeader header, JsonObject identity)
    {
        (_output, _header, _identity) = (output, header, identity);
        _config = ConfigFile.Read(header.Source);
        string path = Path.Combine(header.Source, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        _names = new ModelNames(_config);
        _sourceConfig = JsonObject.Create(document.RootElement.Clone())!;
        _sealed = Sealed(output.PathOf(PortableFormat.ManifestName));
    }

    /// <summary>Whether the tables are written.</summary>
    public bool AreTablesFinished => File.Exists(ShardPath(_config.Layers));

    /// <summary>Starts a checkpoint, or resumes an unfinished one that the same header began.</summary>
    /// <param name="directory">The directory to make.</param>
    /// <param name="header">What it is made from; its source files are hashed now.</param>
    /// <param name="overwrite">Replace a finished checkpoint, and discard an unfinished one of another header.</param>
    /// <exception cref="CheckpointException">The directory holds something else, another run is at work, or the source is damaged.</exception>
    public static PortableCheckpointWriter Open(string directory, CheckpointHeader header, bool overwrite = false)
    {
        JsonObject identity = header.Identity();
        OutputDirectory output = OutputDirectory.Open(directory, identity, overwrite);
        try
        {
            PortableCheckpointWriter writer = new(output, header, identity);
            writer.RefuseStrays();
            return writer;
        }
        catch
        {
            output.Dispose();
            throw;
        }
    }

    /// <summary>Whether a block was written, in this run or in an interrupted one.</summary>
    public bool IsBlockFinished(int index) => File.Exists(ShardPath(index));

    /// <summary>
    /// Whether a finished block, or the tables for the index behind the last, has the bytes that were finished; null where no hash
    /// was kept, as older versions of the program left it.
    /// </summary>
    public bool? IsIntact(int index) => KeptHash(ShardName(index)) is { } kept ? kept == FileHash.Sha256(ShardPath(index)) : null;

    /// <summary>Removes finished blocks, which then are to be written again.</summary>
    /// <param name="first">The first of them; the tables for the index behind the last.</param>
    /// <param name="count">How many.</param>
    public void Forget(int first, int count)
    {
        for (int index = first; index < first + count; index++)
        {
            File.Delete(ShardPath(index));
        }
    }

    /// <summary>The file of a block, or of the tables for the index behind the last.</summary>
    public string ShardName(int index) => PortableFormat.ShardName(index, _config.Layers);

    /// <summary>Reads a finished block back.</summary>
    /// <exception cref="CheckpointException">Its file is damaged.</exception>
    public (BlockWeights Block, IReadOnlyList<LayerReport> Reports) ReadBlock(int index) => BlockShard.Read(ShardPath(index), _header.Version, _names, index, new LargeMemory());

    /// <summary>Writes a quantized block.</summary>
    /// <param name="index">Its index.</param>
    /// <param name="block">All linears quantized, named as the float checkpoint names them.</param>
    /// <param name="reports">A report for each linear.</param>
    /// <param name="tableType">The float checkpoint's element type: norms are stored in it where nothing is lost.</param>
    /// <exception cref="ArgumentException">A linear is not quantized, has no report or a code outside its scheme.</exception>
    public void WriteBlock(int index, BlockWeights block, IReadOnlyList<LayerReport> reports, ElementType tableType) =>
        BlockShard.Write(ShardPath(index), _header.Version, _names, index, block, reports, tableType, beside => KeepHash(index, beside));

    /// <summary>Writes embedding, positions, final norm and head.</summary>
    /// <param name="tables">Embedding and head as the float model has them, or quantized where the scheme has an H part.</param>
    /// <param name="reports">A report for each that is quantized, named as the float checkpoint names it.</param>
    public void WriteTables(ModelTables tables, IReadOnlyList<LayerReport> reports) => TableShard.Write(ShardPath(_config.Layers), _header.Version, _names, tables, reports, beside => KeepHash(_config.Layers, beside));

    /// <summary>The reports of finished tables; none where they are floats.</summary>
    /// <exception cref="CheckpointException">Their file is damaged.</exception>
    public IReadOnlyList<LayerReport> ReadTableReports()
    {
        using SafetensorsFile file = SafetensorsFile.Open(ShardPath(_config.Layers));
        return [.. TableShard.Check(file, _header.Version, _names, _header.Scheme).Values.Select(r => r.Report)];
    }

    /// <summary>What an interrupted run kept under a name, or null; null, too, where its bytes are not those that were kept.</summary>
    public byte[]? TryReadState(string name) => _output.TryReadState(name) is { Length: >= StateHead } bytes && bytes.AsSpan(0, StateHead).SequenceEqual(Head(bytes.AsSpan(StateHead))) ? bytes[StateHead..] : null;

    /// <summary>Keeps an intermediate result for a resumed run; <see cref="Finish"/> removes it.</summary>
    /// <param name="name">A plain file name.</param>
    /// <param name="bytes">Anything that does not depend on host or time.</param>
    public void WriteState(string name, ReadOnlyMemory<byte> bytes) => _output.WriteState(name, (byte[])[.. Head(bytes.Span), .. bytes.Span]);

    /// <summary>Writes config, tokenizer files and manifest, and lets the directory appear.</summary>
    /// <param name="facts">What the method found or decided, for the manifest; null for nothing.</param>
    /// <exception cref="InvalidOperationException">A block or the tables are missing.</exception>
    public void Finish(JsonObject? facts = null)
    {
        if (!AreTablesFinished || !Enumerable.Range(0, _config.Layers).All(IsBlockFinished))
        {
            throw new InvalidOperationException("A checkpoint is finished when all blocks and the tables are written.");
        }

        AtomicFile.Write(_output.PathOf(ConfigFile.FileName), PortableFormat.ToBytes(PortableFormat.MarkConfig(_sourceConfig, _header.Version, _header.Method, _header.Scheme)));
        List<string> files = [ConfigFile.FileName, .. Enumerable.Range(0, _config.Layers + 1).Select(i => PortableFormat.ShardName(i, _config.Layers))];
        foreach (string name in PortableFormat.CopiedFiles(_header.Source))
        {
            System.IO.Directory.CreateDirectory(Path.GetDirectoryName(_output.PathOf(name))!);
            AtomicFile.Write(_output.PathOf(name), FileBytes.Read(Path.Combine(_header.Source, name), int.MaxValue));
            files.Add(name);
        }

        RefuseStrays();
        JsonObject manifest = _identity.DeepClone().AsObject();
        manifest["layers"] = new JsonArray([.. Enumerable.Range(0, _config.Layers).SelectMany(i => BlockShard.Check(ShardPath(i), _header.Version, _names, i)).Concat(ReadTableReports()).Select(LayerReports.ToJson)]);
        if (facts is not null)
        {
            manifest["facts"] = facts.DeepClone();
        }

        manifest["files"] = new JsonArray([.. files.Order(StringComparer.Ordinal).Select(Describe)]);
        AtomicFile.Write(_output.PathOf(PortableFormat.ManifestName), PortableFormat.ToBytes(manifest));
        _output.Complete();
    }

    /// <summary>Whoever put a file among the unfinished ones would find it in the finished checkpoint, which is no checkpoint as its manifest says then.</summary>
    private void RefuseStrays()
    {
        HashSet<string> own = [ConfigFile.FileName, PortableFormat.ManifestName, .. Enumerable.Range(0, _config.Layers + 1).Select(ShardName), .. PortableFormat.CopiedFiles(_header.Source)];
        string[] strays = [.. _output.Files().Where(n => n[0] != '.' && !own.Contains(n)).Order(StringComparer.Ordinal)];
        if (strays.Length > 0)
        {
            // An inner exception of the file system: what is finished stays.
            throw new CheckpointException(
                _output.PathOf(strays[0]), $"no file of the checkpoint that gathers here{(strays.Length > 1 ? $", nor are {strays.Length - 1} more" : "")}; move it elsewhere and run the same command again", inner: new IOException("A file that no run wrote."));
        }
    }

    /// <summary>Removes what was written so far, where a run cannot succeed by being resumed.</summary>
    public void Discard() => _output.Discard();

    /// <summary>Lets go of the directory; unfinished, it can be resumed.</summary>
    public void Dispose() => _output.Dispose();

    // SHA-256 in hexadecimal and a line feed.
    private const int StateHead = 65;

    private static byte[] Head(ReadOnlySpan<byte> state) => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(state)) + "\n");

    private static Dictionary<string, string> Sealed(string manifest)
    {
        try
        {
            return File.Exists(manifest) ? Manifest.Read(manifest).Files.ToDictionary(f => f.Name, f => f.Sha256, StringComparer.Ordinal) : [];
        }
        catch (Exception e) when (e is CheckpointException or ArgumentException)
        {
            return []; // It will be written again.
        }
    }

    private string ShardPath(int index) => _output.PathOf(ShardName(index));

    // Before the shard has its name: one that is found without a hash is an older version's.
    private void KeepHash(int index, string beside) => _output.WriteState(ShardName(index) + HashEnding, Encoding.ASCII.GetBytes(FileHash.Sha256(beside)));

    private string? KeptHash(string name) => _output.TryReadState(name + HashEnding) is { } kept ? Encoding.ASCII.GetString(kept) : _sealed.GetValueOrDefault(name);

    private JsonObject Describe(string name)
    {
        string path = _output.PathOf(name), hash = FileHash.Sha256(path);
        if (KeptHash(name) is { } kept && kept != hash && name.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            // As an error of the disk, behind which the same command finds the shard and makes it again.
            throw new CheckpointException(path, "its SHA-256 is not that of what was written; run the same command again", inner: new IOException("The bytes of a finished file changed."));
        }

        return new JsonObject { ["name"] = name, ["bytes"] = new FileInfo(path).Length, ["sha256"] = hash };
    }
}

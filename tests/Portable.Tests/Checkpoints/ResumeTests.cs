using System.Security.Cryptography;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>Runs that end at any step are resumed by the same command and end in the same bytes; other commands are refused.</summary>
public sealed class ResumeTests : IDisposable
{
    private const string Scheme = "W2*A8";
    private const int Layers = 3;

    private readonly TinyCheckpoint _checkpoint = new(layers: Layers);

    private string Output => Path.Combine(_checkpoint.Directory, "out");

    private string Partial => Output + ".partial";

    public void Dispose() => _checkpoint.Dispose();

    [Fact]
    public void Stopping_between_any_two_writes_changes_no_byte()
    {
        string whole = Whole();
        for (int stop = 0; stop <= Layers + 1; stop++)
        {
            using (PortableCheckpointWriter first = Open())
            {
                RandomQuantizedBlocks.WriteMissing(_checkpoint, first, Scheme, stopBefore: stop);
                first.WriteState("table", new byte[] { 1, 2, (byte)stop });
                Assert.False(Directory.Exists(Output));
            }

            using PortableCheckpointWriter second = Open();
            Assert.Equal([1, 2, (byte)stop], second.TryReadState("table")!);
            Assert.Null(second.TryReadState("other"));
            Assert.Equal(Math.Min(stop, Layers), Enumerable.Range(0, Layers).Count(second.IsBlockFinished));
            Assert.Equal(stop > Layers, second.AreTablesFinished);
            RandomQuantizedBlocks.WriteMissing(_checkpoint, second, Scheme);
            second.Finish(new System.Text.Json.Nodes.JsonObject { ["note"] = "random" });
            AssertFinished(whole);
        }
    }

    /// <summary>Every shard, tables too, is proved by its hash, and by the manifest's where the kept ones are gone already.</summary>
    [Fact]
    public void Any_changed_byte_of_a_finished_shard_is_found()
    {
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        Directory.Move(Output, Partial);
        Spoil();
        using (PortableCheckpointWriter first = Open())
        {
            first.Forget(0, Layers + 1);
            RandomQuantizedBlocks.WriteMissing(_checkpoint, first, Scheme);
        }

        File.Delete(Path.Combine(Partial, "manifest.json"));
        Spoil();
        Directory.Delete(Path.Combine(Partial, "state"), recursive: true);
        using PortableCheckpointWriter old = Open();
        Assert.All(Enumerable.Range(0, Layers + 1), i => Assert.Null(old.IsIntact(i)));

        void Spoil()
        {
            using PortableCheckpointWriter writer = Open();
            Random random = new(Layers);
            for (int i = 0; i < 40; i++)
            {
                int index = i % (Layers + 1);
                string path = Path.Combine(Partial, writer.ShardName(index));
                byte[] right = File.ReadAllBytes(path), wrong = [.. right];
                wrong[random.Next(wrong.Length)] ^= (byte)(1 << random.Next(8));
                Assert.True(writer.IsIntact(index));
                File.WriteAllBytes(path, wrong);
                Assert.False(writer.IsIntact(index));
                File.WriteAllBytes(path, right);
            }
        }
    }

    /// <summary>What changed between a shard's end and the run's is not sealed, and the same command finds it.</summary>
    [Fact]
    public void A_shard_that_changes_during_its_run_is_not_sealed()
    {
        string whole = Whole();
        using (PortableCheckpointWriter first = Open())
        {
            RandomQuantizedBlocks.WriteMissing(_checkpoint, first, Scheme);
            string path = Path.Combine(Partial, first.ShardName(1));
            byte[] bytes = File.ReadAllBytes(path);
            bytes[^1] ^= 1;
            File.WriteAllBytes(path, bytes);
            CheckpointException e = Assert.Throws<CheckpointException>(() => first.Finish());
            Assert.Contains("run the same command again", e.Message, StringComparison.Ordinal);
            Assert.IsType<IOException>(e.InnerException);
        }

        using (PortableCheckpointWriter second = Open())
        {
            Assert.False(second.IsIntact(1));
            second.Forget(1, 1);
        }

        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        AssertFinished(whole);
    }

    [Fact]
    public void An_exception_in_the_middle_of_a_file_leaves_the_block_unfinished()
    {
        string whole = Whole();
        using (PortableCheckpointWriter first = Open())
        {
            using IModelSource source = Checkpoint.Open(_checkpoint.Directory);
            (BlockWeights block, List<LayerReport> reports) = RandomQuantizedBlocks.Block(source, 0, Scheme, 0);
            Assert.Throws<ArgumentException>(() => first.WriteBlock(0, block.MapLinears((slot, linear) => slot == BlockSlot.Down ? WithCodeFive(linear) : linear), reports, source.LoadEmbedding().Float!.Type));
            Assert.False(first.IsBlockFinished(0));
            Assert.Contains(Directory.EnumerateFiles(Partial), f => f.EndsWith(".tmp", StringComparison.Ordinal));
        }

        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        AssertFinished(whole);
    }

    [Fact]
    public void Being_killed_in_the_last_steps_changes_no_byte()
    {
        string whole = Whole();

        // run.json is gone, the manifest is there, the directory not yet renamed.
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        Directory.Move(Output, Partial);
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        AssertFinished(whole);

        // An old checkpoint was moved out of the way, the new one not yet moved in.
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme, seed: 5);
        Directory.Move(Output, Output + ".replaced");
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        Directory.Move(Output, Partial);
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        AssertFinished(whole);

        // Not even run.json was written.
        Directory.CreateDirectory(Partial);
        File.WriteAllText(Path.Combine(Partial, "run.json.tmp"), "{");
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        AssertFinished(whole);
    }

    [Fact]
    public void An_unfinished_directory_of_another_command_is_refused_unless_overwritten()
    {
        string whole = Whole();
        foreach ((string scheme, int seed, bool otherWeights, string says) in new[]
        {
            (Scheme, 1, false, "another command began, with seed 0 (here 1);"),
            ("W3A8", 0, false, $"another command began, with scheme {Scheme} (here W3A8);"),
            (Scheme, 0, true, "another command began, with another model.safetensors of the float model;"),
        })
        {
            using (PortableCheckpointWriter first = Open())
            {
                RandomQuantizedBlocks.WriteMissing(_checkpoint, first, Scheme, stopBefore: 2);
            }

            byte[] data = _checkpoint.Data;
            if (otherWeights)
            {
                _checkpoint.Data = [.. data.Select((b, i) => i == 40 ? (byte)(b ^ 1) : b)];
                _checkpoint.Write();
            }

            CheckpointHeader header = RandomQuantizedBlocks.Header(_checkpoint.Directory, scheme, seed);
            CheckpointException e = Assert.Throws<CheckpointException>(() => PortableCheckpointWriter.Open(Output, header));
            Assert.Contains(Partial, e.Message, StringComparison.Ordinal);
            Assert.Contains(says, e.Message, StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(Partial, "model-00002-of-00004.safetensors")), "a refused command changes nothing");
            _checkpoint.Data = data;
            _checkpoint.Write();
            using (PortableCheckpointWriter.Open(Output, RandomQuantizedBlocks.Header(_checkpoint.Directory, "W7A7"), overwrite: true))
            {
                Assert.False(File.Exists(Path.Combine(Partial, "model-00002-of-00004.safetensors")));
            }

            RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme, overwrite: true);
            AssertFinished(whole);
        }
    }

    [Fact]
    public void A_finished_checkpoint_is_replaced_only_when_asked_and_only_at_the_end()
    {
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme, seed: 9);
        string before = Digest(Output);
        Assert.Contains("finished", Assert.Throws<CheckpointException>(() => Open()).Message, StringComparison.Ordinal);
        using (PortableCheckpointWriter writer = PortableCheckpointWriter.Open(Output, RandomQuantizedBlocks.Header(_checkpoint.Directory, Scheme), overwrite: true))
        {
            RandomQuantizedBlocks.WriteMissing(_checkpoint, writer, Scheme);
            Assert.Equal(before, Digest(Output));
            writer.Finish();
        }

        Assert.NotEqual(before, Digest(Output));
        Assert.False(Directory.Exists(Partial) || Directory.Exists(Output + ".replaced"));
    }

    [Fact]
    public void Somebody_elses_directory_is_never_touched()
    {
        Directory.CreateDirectory(Output);
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme); // An empty directory is as good as none.
        Directory.Delete(Output, recursive: true);
        Directory.CreateDirectory(Output);
        File.WriteAllText(Path.Combine(Output, "thesis.txt"), "years of work");
        Assert.Throws<CheckpointException>(() => PortableCheckpointWriter.Open(Output, RandomQuantizedBlocks.Header(_checkpoint.Directory, Scheme), overwrite: true));
        Assert.Equal("years of work", File.ReadAllText(Path.Combine(Output, "thesis.txt")));
        Assert.False(Directory.Exists(Partial));
    }

    /// <summary>A directory that somebody stands in, or that is a mount, stays what it is.</summary>
    [Fact]
    public void An_empty_directory_is_filled_in_place_and_being_killed_meanwhile_changes_no_byte()
    {
        string whole = Whole();
        Open().Dispose();
        byte[] run = File.ReadAllBytes(Path.Combine(Partial, "run.json"));
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        string[] names = [.. Directory.EnumerateFiles(Output).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal).OrderBy(n => n == "manifest.json")];
        for (int moved = 0; moved < names.Length; moved++)
        {
            // As a kill leaves it behind so many files.
            Directory.Move(Output, Partial);
            File.WriteAllBytes(Path.Combine(Partial, "run.json"), run);
            Directory.CreateDirectory(Output);
            const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute;
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(Output, Own);
            }

            foreach (string name in names[..moved])
            {
                File.Move(Path.Combine(Partial, name), Path.Combine(Output, name));
            }

            RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(Output) == Own, "another directory took its place");
            AssertFinished(whole);
            RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        }

        // Somebody's own file is neither moved nor replaced, under one of the names too.
        Directory.Move(Output, Partial);
        File.WriteAllBytes(Path.Combine(Partial, "run.json"), run);
        Directory.CreateDirectory(Output);
        File.WriteAllText(Path.Combine(Output, names[0]), "mine");
        Assert.Contains("holds no quantized checkpoint", Assert.Throws<CheckpointException>(() => Open()).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(Output, names[0])));

        // Another command discards what the first had moved, with the rest.
        File.Delete(Path.Combine(Output, names[0]));
        File.Move(Path.Combine(Partial, names[0]), Path.Combine(Output, names[0]));
        Assert.Throws<CheckpointException>(() => Open(scheme: "W4A8"));
        using (PortableCheckpointWriter other = Open(scheme: "W4A8", overwrite: true))
        {
            Assert.Empty(Directory.EnumerateFileSystemEntries(Output));
            Assert.False(other.IsBlockFinished(0));
        }
    }

    [Fact]
    public void Files_that_come_into_an_empty_directory_meanwhile_stay()
    {
        Directory.CreateDirectory(Output);
        using (PortableCheckpointWriter first = Open())
        {
            RandomQuantizedBlocks.WriteMissing(_checkpoint, first, Scheme);
            File.WriteAllText(Path.Combine(Output, "mine"), "mine");
            Assert.Contains("cannot be completed", Assert.Throws<CheckpointException>(() => first.Finish()).Message, StringComparison.Ordinal);
        }

        Assert.Equal("mine", File.ReadAllText(Path.Combine(Output, "mine")));
        File.Delete(Path.Combine(Output, "mine"));
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        Assert.True(File.Exists(Path.Combine(Output, "manifest.json")));
    }

    [Fact]
    public void Two_runs_do_not_write_at_once()
    {
        using PortableCheckpointWriter first = Open();
        Assert.Contains("another run", Assert.Throws<CheckpointException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Discarding_leaves_nothing()
    {
        using PortableCheckpointWriter writer = Open();
        RandomQuantizedBlocks.WriteMissing(_checkpoint, writer, Scheme, stopBefore: 1);
        writer.Discard();
        Assert.False(Directory.Exists(Partial) || Directory.Exists(Output));
    }

    [Fact]
    public void Finishing_too_early_is_an_error_of_the_caller()
    {
        using PortableCheckpointWriter writer = Open();
        RandomQuantizedBlocks.WriteMissing(_checkpoint, writer, Scheme, stopBefore: 2);
        Assert.Throws<InvalidOperationException>(() => writer.Finish());
        Assert.False(Directory.Exists(Output));
    }

    private static LinearWeights WithCodeFive(LinearWeights linear)
    {
        QuantizedLinear quantized = linear.Quantized!;
        short[] codes = new short[quantized.OutputFeatures * quantized.Weights.Columns];
        codes[^1] = 5;
        return linear with { Quantized = new QuantizedLinear(BitPacking.Pack(codes, quantized.OutputFeatures, quantized.Weights.Layout, quantized.Weights.Format), quantized.Scales, quantized.ZeroPoints, quantized.Bias, quantized.Input) };
    }

    private static string Digest(string directory)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(Path.GetRelativePath(directory, file)));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private PortableCheckpointWriter Open(string scheme = Scheme, bool overwrite = false) => PortableCheckpointWriter.Open(Output, RandomQuantizedBlocks.Header(_checkpoint.Directory, scheme), overwrite);

    private string Whole()
    {
        RandomQuantizedBlocks.Write(_checkpoint, Output, Scheme);
        string digest = Digest(Output);
        Directory.Delete(Output, recursive: true);
        return digest;
    }

    private void AssertFinished(string digest)
    {
        Assert.Equal(digest, Digest(Output));
        Assert.False(Directory.Exists(Partial));
        Assert.False(Directory.Exists(Output + ".replaced"));
        Directory.Delete(Output, recursive: true);
    }
}

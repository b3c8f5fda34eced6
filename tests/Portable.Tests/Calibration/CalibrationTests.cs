using FsCheck.Xunit;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Tests.Arithmetic;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Calibration;

public class CalibrationTests
{
    [Property]
    public void WindowsAreDistinctPiecesOfTheTextInItsOrder(int seed, byte samples, byte context)
    {
        int length = 2 + context % 20, taken = 1 + samples % 40;
        int[] tokens = [.. Enumerable.Range(0, 300)];
        CalibrationSet set = CalibrationSet.FromTokens(tokens, taken, length, seed);
        Assert.Equal(Math.Min(taken, 300 / length), set.Windows.Count);
        Assert.All(set.Windows, w => Assert.Equal(Enumerable.Range(w[0], length), w));
        Assert.All(set.Windows, w => Assert.Equal(0, w[0] % length));
        Assert.Equal(set.Windows.Select(w => w[0]).Distinct().Order(), set.Windows.Select(w => w[0]));
        Assert.Equal(set.Windows.Select(w => w[0]), CalibrationSet.FromTokens(tokens, taken, length, seed).Windows.Select(w => w[0]));
    }

    [Fact]
    public void TheSeedChoosesTheWindows()
    {
        int[] tokens = [.. Enumerable.Range(0, 1000)];
        int[][] starts = [.. Enumerable.Range(0, 5).Select(seed => CalibrationSet.FromTokens(tokens, 8, 10, seed).Windows.Select(w => w[0]).ToArray())];
        Assert.Equal(5, starts.Select(s => string.Join(' ', s)).Distinct().Count());
    }

    [Fact]
    public void ATextWithoutAWholeWindowIsRefused() =>
        Assert.Throws<ArgumentException>(() => CalibrationSet.FromTokens(new int[9], 1, 10, 0));

    /// <summary>The half that is summed and the half that is mirrored are those of the whole product, batch after batch.</summary>
    [Property(MaxTest = 20)]
    public void GramMatricesAreCrossMatricesOfAnInputWithItself(int seed, byte size, byte tokens)
    {
        int columns = 1 + size % 90;
        GramMatrix gram = new(columns);
        CrossMatrix cross = new(columns);
        for (int batch = 0; batch < 3; batch++)
        {
            float[] x = AwkwardValues.Activations((1 + tokens % 30) * columns, seed + batch);
            gram.Add(x, 1 + tokens % 30);
            cross.Add(x, x, 1 + tokens % 30);
            Assert.Equal(cross.Values, gram.Values);
        }
    }

    [Property(MaxTest = 30)]
    public void ChannelMaximaAreTheLargestMagnitudes(int seed, byte size, byte tokens)
    {
        int columns = 1 + size % 40, rows = 1 + tokens % 10;
        float[] x = AwkwardValues.Activations(rows * columns, seed);
        ChannelMaxima maxima = new(columns);
        maxima.Add(x.AsSpan(0, rows / 2 * columns));
        maxima.Add(x.AsSpan(rows / 2 * columns));
        Assert.Equal(Enumerable.Range(0, columns).Select(j => Enumerable.Range(0, rows).Max(r => Math.Abs(x[r * columns + j]))), maxima.Values);
    }

    [Fact]
    public void HiddenStatesInFilesAreThoseInMemory()
    {
        RandomModel model = new(RandomModel.Llama(), 32, 2, null);
        int[][] windows = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]];
        string directory = Path.Combine(Path.GetTempPath(), $"portable-spill-{Guid.NewGuid():N}");
        float[][] states = [.. new long[] { 1 << 20, 0, 5 * 64 * sizeof(float) }.Select(budget =>
        {
            using StreamStorage storage = new(directory, budget);
            using BlockStream stream = new(model, windows, 32, storage);
            int inputs = 0;
            stream.Advance(model.LoadBlock(0), (_, values, rows) => inputs += values.Length / rows);
            Assert.Equal(2 * (64 + 64 + 64 + 152), inputs);
            return (float[])[.. stream.Read(0), .. stream.Read(1)];
        })];
        Assert.Equal(states[0], states[1]);
        Assert.Equal(states[0], states[2]);
        Assert.False(Directory.Exists(directory));
    }

    /// <summary>The file has no name while it is used, so that a killed process leaves nothing behind.</summary>
    [SkippableFact]
    public void TheSpillHasNoName()
    {
        Skip.If(OperatingSystem.IsWindows(), "The system deletes it there when the process ends.");
        string directory = Path.Combine(Path.GetTempPath(), $"portable-spill-{Guid.NewGuid():N}");
        using StreamStorage storage = new(directory, 0);
        StreamSlot slot = storage.Allocate(1000);
        float[] values = [.. Enumerable.Range(0, 1000).Select(i => (float)i)], back = new float[1000];
        slot.Write(0, values);
        slot.Read(0, back);
        Assert.Equal(values, back);
        Assert.False(Directory.Exists(directory));
    }

    /// <summary>Slots in memory and in the file keep their own values, through being freed and taken again.</summary>
    [Property(MaxTest = 30)]
    public void SlotsKeepTheirValues(int seed, byte count)
    {
        Random random = new(seed);
        using StreamStorage storage = new(Path.Combine(Path.GetTempPath(), $"portable-spill-{Guid.NewGuid():N}"), random.Next(100));
        List<(StreamSlot Slot, float[] Values)> slots = [];
        for (int i = 0; i < 5 + count % 60; i++)
        {
            if (slots.Count > 0 && random.Next(3) == 0)
            {
                int at = random.Next(slots.Count);
                slots[at].Slot.Dispose();
                slots[at].Slot.Dispose(); // as harmless as once
                slots.RemoveAt(at);
            }

            float[] values = [.. Enumerable.Range(0, 4 + 4 * random.Next(4)).Select(_ => random.NextSingle())];
            StreamSlot slot = storage.Allocate(values.Length);
            int cut = random.Next(values.Length);
            slot.Write(cut, values.AsSpan(cut));
            slot.Write(0, values.AsSpan(0, cut));
            slots.Add((slot, values));
        }

        foreach ((StreamSlot slot, float[] values) in slots)
        {
            float[] read = new float[values.Length], tail = new float[2];
            slot.Read(0, read);
            slot.Read(values.Length - 2, tail);
            Assert.Equal(values, read);
            Assert.Equal(values[^2..], tail);
        }
    }

    [Fact]
    public void ObservingDoesNotMoveTheStream()
    {
        RandomModel model = new(RandomModel.Opt(), 32, 2, null);
        using StreamStorage storage = new(Path.GetTempPath());
        using BlockStream stream = new(model, [[1, 2, 3]], 32, storage);
        float[] before = stream.Read(0);
        List<BlockInput> seen = [];
        stream.Observe(model.LoadBlock(0), (input, _, _) => seen.Add(input));
        Assert.Equal(before, stream.Read(0));
        Assert.Equal(BlockInputs.All, seen);
        stream.Advance(model.LoadBlock(0));
        Assert.NotEqual(before, stream.Read(0));
    }
}

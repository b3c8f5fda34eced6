using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Reference.Operations;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>What changes from batch to batch with the same commands: rows, tiles, logit rows and the pages of their sequences, in device memory.</summary>
internal sealed class BatchMemory : IDisposable
{
    private const int RowBytes = 16, TileBytes = 8, SelectionBytes = 4;
    private GpuBuffer? _upload, _device;
    private int _capacity;

    /// <summary>Which pages sequences have; null = each its own.</summary>
    public PageTable? Pages { get; set; }

    /// <summary>Rows of a tile at most.</summary>
    public int TileRows { get; private set; }

    /// <summary>Tiles of the batch.</summary>
    public int Tiles { get; private set; }

    /// <summary>Tokens that the longest row sees.</summary>
    public int Context { get; private set; }

    /// <summary>Whether every row is the only one of its sequence.</summary>
    public bool SingleTokens { get; private set; }

    public ulong Rows => _device!.Address;

    public ulong TileList => _device!.Address + (ulong)TileOffset;

    public ulong Selection => _device!.Address + (ulong)SelectionOffset;

    private int TileOffset => _capacity * RowBytes;

    private int SelectionOffset => _capacity * (RowBytes + TileBytes);

    private int PagesOffset => _capacity * (RowBytes + TileBytes + SelectionBytes);

    public void Resize(VulkanContext gpu, int rows)
    {
        Dispose();
        _capacity = rows;
        long bytes = PagesOffset + (Pages is null ? 0 : (long)Pages.Sequences * Pages.Chunks * sizeof(uint));
        _upload = gpu.Allocate(bytes, MemoryKind.Upload);
        _device = gpu.Allocate(bytes);
    }

    /// <summary>Stretches of consecutive rows of one sequence.</summary>
    public static int Runs(Batch batch)
    {
        int runs = 1;
        for (int i = 1; i < batch.Rows; i++)
        {
            runs += Continues(batch, i) ? 0 : 1;
        }

        return runs;
    }

    /// <summary>Writes a batch where the next submission picks it up.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="tileRows">Rows of a tile at most.</param>
    public void Write(Batch batch, int tileRows)
    {
        TileRows = tileRows;
        Span<uint> words = _upload!.AsSpan<uint>();
        Span<uint> tiles = words[(TileOffset / 4)..], selection = words[(SelectionOffset / 4)..], pages = words[(PagesOffset / 4)..];
        int chunks = Pages?.Chunks ?? 0, seen = 0;
        Tiles = 0;
        for (int i = 0; i < batch.Rows; i++)
        {
            words[4 * i] = (uint)batch.Tokens[i];
            words[(4 * i) + 1] = (uint)batch.Sequences[i];
            words[(4 * i) + 2] = (uint)batch.Positions[i];
            words[(4 * i) + 3] = (uint)((PagesOffset / 4) + (batch.Sequences[i] * chunks));
            seen = Math.Max(seen, PageTable.ChunksOf(batch.Positions[i] + 1));
            if (Pages is not null && (i + 1 == batch.Rows || batch.Sequences[i + 1] != batch.Sequences[i]))
            {
                MemoryMarshal.Cast<int, uint>(Pages.Of(batch.Sequences[i])[..seen]).CopyTo(pages[(batch.Sequences[i] * chunks)..]);
                seen = 0;
            }

            if (Continues(batch, i) && tiles[(2 * (Tiles - 1)) + 1] < tileRows)
            {
                tiles[(2 * (Tiles - 1)) + 1]++;
            }
            else
            {
                tiles[2 * Tiles] = (uint)i;
                tiles[(2 * Tiles) + 1] = 1;
                Tiles++;
            }
        }

        SingleTokens = HasSingleTokens(batch);
        Context = 0;
        foreach (int position in batch.Positions)
        {
            Context = Math.Max(Context, position + 1);
        }

        MemoryMarshal.Cast<int, uint>(batch.LogitRows).CopyTo(selection);
    }

    /// <summary>Records the copy to device memory.</summary>
    public void Record(CommandRecorder recorder) => recorder.Copy(_upload!, 0, _device!, 0, _upload!.Size);

    public void Dispose()
    {
        _upload?.Dispose();
        _device?.Dispose();
    }

    private static bool Continues(Batch batch, int row) =>
        row > 0 && batch.Sequences[row] == batch.Sequences[row - 1] && batch.Positions[row] == batch.Positions[row - 1] + 1;

    private static bool HasSingleTokens(Batch batch)
    {
        // Quadratic at worst in the sequences of a batch, and without memory of its own.
        for (int i = 1; i < batch.Rows; i++)
        {
            if (batch.Sequences.AsSpan(0, i).Contains(batch.Sequences[i]))
            {
                return false;
            }
        }

        return true;
    }
}

using System.Runtime.InteropServices;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Tests.Oracle;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.BitPlanes;

/// <summary>No kernel reads a weight word or packed activation, or writes a sum, past the end: a guard page follows each.</summary>
public unsafe class KernelGuardTests
{
    public static TheoryData<string> Names => [.. KernelTable.Supported.Select(k => k.Name)];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void NothingPastTheEndIsTouched(string name)
    {
        Skip.IfNot(GuardedMemory.IsSupported, "Guard pages are made with Linux's mmap.");
        MatmulKernel kernel = KernelTable.Rows.Single(k => k.Name == name);
        for (int bits = 1; bits <= 8; bits++)
        {
            foreach (int k in (int[])[1, 64, 65, 129, 257, 513])
            {
                MatmulCase.Fill fill = kernel.ReadsBaseFive ? MatmulCase.Fill.Balanced : MatmulCase.Fill.Random;
                Check(kernel, MatmulCase.Create(bits * k, 1 + bits % 5, 1 + k % 5 + bits, k, k == 129 && !kernel.ReadsBaseFive ? 64 : 0, kernel.ReadsBaseFive ? 3 : bits, false, bits, true, fill));
            }
        }
    }

    private static void Check(MatmulKernel kernel, MatmulCase c)
    {
        MatmulOperands operands = new(c, kernel.ReadsBaseFive);
        BitPlaneMatrix w = operands.Linear.Weights;
        if (!KernelTable.Serves(kernel, w.Format, operands.X.Format, kernel.ReadsBaseFive))
        {
            return;
        }

        ActivationRows rows = new(operands.X);
        int tile = kernel.Tile.Rows, tiles = (rows.Count + tile - 1) / tile;
        long rowBytes = kernel.PackedRowBytes(w.Layout, operands.X.Format);
        ReadOnlySpan<byte> stored = w.BaseFive is { } triples ? triples.Bytes.Span : MemoryMarshal.AsBytes(w.Words.Span);
        using GuardedMemory words = new(stored.Length), packed = new(tiles * tile * rowBytes), sums = new((long)w.Layout.Groups * rows.Count * kernel.ChannelBlock * sizeof(int));
        stored.CopyTo(new Span<byte>(words.Pointer, stored.Length));
        for (int i = 0; i < tiles; i++)
        {
            kernel.Pack(rows, i * tile, packed.Pointer + i * tile * rowBytes);
        }

        int groupStep = kernel.TakesWholeRows ? w.Layout.Groups : 1;
        for (int group = 0; group < w.Layout.Groups; group += groupStep)
        {
            int* end = (int*)sums.Pointer + (long)w.Layout.Groups * rows.Count * kernel.ChannelBlock;
            kernel.Accumulate(new KernelTask
            {
                Activations = rows, Packed = packed.Pointer, Weights = w, Words = (ulong*)words.Pointer, BaseFive = words.Pointer, FirstGroup = group, Groups = groupStep,
                FirstRow = 0, Rows = rows.Count, FirstChannel = 0, Channels = w.Rows, Sums = end - (long)groupStep * rows.Count * kernel.ChannelBlock, Stride = kernel.ChannelBlock,
            });
        }

        GC.KeepAlive(operands);
    }
}

using Portable.Calibration;
using Portable.Reference.Threading;

namespace Portable.Quantization.AbqLlm;

/// <summary>Windows between slots and memory that a device reads, by all threads: one alone copies slower than a GPU trains.</summary>
internal static unsafe class WideCopies
{
    private const int Piece = 1 << 19;

    /// <summary>Fills <paramref name="values"/> from the beginning of a slot.</summary>
    public static void ReadWide(this StreamSlot slot, Span<float> values)
    {
        fixed (float* target = values)
        {
            float* to = target;
            int count = values.Length;
            WorkerPool.Run((count + Piece - 1) / Piece, i => slot.Read(i * Piece, new Span<float>(to + ((long)i * Piece), Math.Min(Piece, count - (i * Piece)))));
        }
    }

    /// <summary>Writes <paramref name="values"/> to the beginning of a slot.</summary>
    public static void WriteWide(this StreamSlot slot, ReadOnlySpan<float> values)
    {
        fixed (float* source = values)
        {
            float* from = source;
            int count = values.Length;
            WorkerPool.Run((count + Piece - 1) / Piece, i => slot.Write(i * Piece, new ReadOnlySpan<float>(from + ((long)i * Piece), Math.Min(Piece, count - (i * Piece)))));
        }
    }
}

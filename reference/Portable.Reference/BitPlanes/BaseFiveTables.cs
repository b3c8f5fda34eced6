namespace Portable.Reference.BitPlanes;

/// <summary>What registers of 64 triples look up (<see cref="BaseFiveUnits"/>).</summary>
internal sealed class BaseFiveTables
{
    /// <summary>Set in <see cref="Low"/> of a number that is no triple.</summary>
    public const byte InvalidTriple = 0x80;

    private const int Numbers = 128, Bytes = 64;

    private BaseFiveTables()
    {
        for (int triple = 0; triple < Numbers; triple++)
        {
            (int a, int b, int c) = (triple % 5, triple / 5 % 5, triple / 25);
            int Plane(int p) => ((a >> p) & 1) | (((b >> p) & 1) << 1) | (((c >> p) & 1) << 2);
            Low[triple] = (byte)(Plane(0) | (Plane(1) << 3) | (triple < 125 ? 0 : InvalidTriple));
            Top[triple] = (byte)Plane(2);
            (Codes[triple], Codes[Numbers + triple], Codes[(2 * Numbers) + triple]) = ((byte)a, (byte)b, (byte)c);
        }

        for (int i = 0; i < Bytes; i++)
        {
            Spread[i] = (byte)Math.Min((i / 8 * BaseFive.TripleBits) + (i % 8), Bytes - 1);
            Shifts[i] = (byte)(i % 8 * BaseFive.TripleBits);

            // Byte i of eight words: of plane word % 3, its byte of the 24 that every eight of a register have three of.
            int word = i / 8, plane = word % 3, at = Place((word / 3 * 8) + (i % 8));
            TwoPlanes[i] = (byte)(at + (plane == 1 ? 64 : 0));
            ThreePlanes[i] = (byte)(plane == 2 ? 64 + at : i);
            LastWord[i] = (byte)Place(16 + (i % 8));
            for (int column = 0; column < BaseFive.TripleColumns; column++)
            {
                int from = (BaseFive.TripleColumns * i) + column, index = (column * Bytes) + i;
                (Columns[index], Columns[(BaseFive.TripleColumns * Bytes) + index]) = from < 2 * Bytes ? ((byte)from, (byte)i) : ((byte)0, (byte)(from - Bytes));
            }
        }
    }

    /// <summary>The tables.</summary>
    public static BaseFiveTables Shared { get; } = new();

    /// <summary>The order in which eight bytes of each eight triples stand side by side.</summary>
    public byte[] Spread { get; } = new byte[Bytes];

    /// <summary>Where the triples begin in those.</summary>
    public byte[] Shifts { get; } = new byte[Bytes];

    /// <summary>Of a triple three bits of the lowest plane, then three of the next.</summary>
    public byte[] Low { get; } = new byte[Numbers];

    /// <summary>Of a triple three bits of the highest plane.</summary>
    public byte[] Top { get; } = new byte[Numbers];

    /// <summary>The codes of a triple, [column × 128 + triple].</summary>
    public byte[] Codes { get; } = new byte[BaseFive.TripleColumns * Numbers];

    /// <summary>The order of eight words' bytes of two planes.</summary>
    public byte[] TwoPlanes { get; } = new byte[Bytes];

    /// <summary>The same of the third plane beside them.</summary>
    public byte[] ThreePlanes { get; } = new byte[Bytes];

    /// <summary>The order of the ninth word's bytes.</summary>
    public byte[] LastWord { get; } = new byte[Bytes];

    /// <summary>Orders that part 192 bytes into the first of every three, the second and the third: three of the first two registers, then three of what those give beside the last.</summary>
    public byte[] Columns { get; } = new byte[2 * BaseFive.TripleColumns * Bytes];

    private static int Place(int index) => (index / 3 * 8) + (index % 3);
}

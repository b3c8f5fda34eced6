namespace Portable.Reference.BitPlanes;

/// <summary>
/// M tokens of quantized activations in the padded group layout of the weights they meet: what a quantizer writes and a
/// matmul reads.
/// </summary>
/// <remarks>
/// One byte per code at [row × PaddedColumns + PaddedIndex(column)]: two's complement where the format is signed, padding 0.
/// A 16-bit code is two digits, code = 256·high + low, with <see cref="Codes"/> the unsigned low digit and
/// <see cref="HighDigits"/> the high one (signed as the format).
/// The arrays may be longer than M needs, so that buffers can be reused: <see cref="Rows"/> says how many rows are valid.
/// </remarks>
public sealed class QuantizedActivations
{
    /// <summary>Allocates buffers.</summary>
    /// <param name="capacity">The most rows it will hold.</param>
    /// <param name="layout">Layout of K', equal to the weights'.</param>
    /// <param name="format">Code format, 1…8 or 16 bits.</param>
    /// <param name="groupSize">Columns of a token that share a scale, whole groups of the layout; 0 = all.</param>
    public QuantizedActivations(int capacity, GroupLayout layout, CodeFormat format, int groupSize)
    {
        (Capacity, Layout, Format, ScaleGroups) = (capacity, layout, format, layout.Scales(groupSize));
        Codes = GC.AllocateArray<byte>(checked(capacity * layout.PaddedColumns), pinned: true);
        RowSums = new int[capacity * layout.Groups];
        Scales = new float[capacity * ScaleGroups.Count];
        ZeroPoints = new int[Scales.Length];
        if (format.Bits == 16)
        {
            HighDigits = GC.AllocateArray<byte>(Codes.Length, pinned: true);
            HighRowSums = new int[RowSums.Length];
        }
    }

    /// <summary>The most rows the buffers hold.</summary>
    public int Capacity { get; }

    /// <summary>M: the valid rows.</summary>
    public int Rows { get; set; }

    /// <summary>Layout of the columns.</summary>
    public GroupLayout Layout { get; }

    /// <summary>Code format.</summary>
    public CodeFormat Format { get; }

    /// <summary>Which groups of the layout share a scale and a zero point.</summary>
    public ScaleGroups ScaleGroups { get; }

    /// <summary>Codes, or low digits (unsigned) of 16-bit codes.</summary>
    public byte[] Codes { get; }

    /// <summary>High digits of 16-bit codes, else null.</summary>
    public byte[]? HighDigits { get; }

    /// <summary>Σ codes (or low digits), [row × groups + group].</summary>
    public int[] RowSums { get; }

    /// <summary>Σ high digits, [row × groups + group], or null.</summary>
    public int[]? HighRowSums { get; }

    /// <summary>Scales, [row × scale groups + scale group].</summary>
    public float[] Scales { get; }

    /// <summary>Zero points like <see cref="Scales"/>; all 0 for symmetric quantizers.</summary>
    public int[] ZeroPoints { get; }
}

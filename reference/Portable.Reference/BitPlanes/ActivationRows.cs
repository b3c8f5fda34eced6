using System.Runtime.InteropServices;

namespace Portable.Reference.BitPlanes;

/// <summary>
/// The activations as a kernel sees them: one row per token and digit. A code of at most 8 bits is one digit; a 16-bit code
/// is two, so row 2m holds token m's low digits (unsigned) and row 2m+1 its high digits, and both meet a weight once it is loaded.
/// </summary>
internal readonly unsafe struct ActivationRows
{
    private readonly byte* _low;
    private readonly byte* _high;

    /// <summary>Views activations, whose pinned arrays must outlive the view.</summary>
    public ActivationRows(QuantizedActivations x)
    {
        Layout = x.Layout;
        Format = x.Format;
        Digits = x.HighDigits is null ? 1 : 2;
        Count = x.Rows * Digits;
        _low = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(x.Codes));
        _high = x.HighDigits is null ? null : (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(x.HighDigits));
    }

    /// <summary>Layout of the columns.</summary>
    public GroupLayout Layout { get; }

    /// <summary>Format of the whole codes.</summary>
    public CodeFormat Format { get; }

    /// <summary>1, or 2 for 16-bit codes.</summary>
    public int Digits { get; }

    /// <summary>Rows: tokens × digits.</summary>
    public int Count { get; }

    /// <summary>The bits of every digit.</summary>
    public int DigitBits => Digits == 1 ? Format.Bits : 8;

    /// <summary>The format of a row's digits.</summary>
    public CodeFormat DigitFormat(int row) => DigitFormat(Format, row % Digits);

    /// <summary>The format of a digit of a code: digit 0 of 16 bits is unsigned, digit 1 as the code.</summary>
    public static CodeFormat DigitFormat(CodeFormat format, int digit) => format.Bits == 16 ? new CodeFormat(8, digit == 1 && format.Signed) : format;

    /// <summary>The digits of a row: PaddedColumns bytes.</summary>
    public byte* Row(int row) => (row % Digits == 0 ? _low : _high) + (long)(row / Digits) * Layout.PaddedColumns;
}

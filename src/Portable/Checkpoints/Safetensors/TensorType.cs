namespace Portable.Checkpoints.Safetensors;

/// <summary>Element types of the safetensors format that occupy whole bytes.</summary>
internal enum TensorType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>8 bits, unsigned.</summary>
    U8,

    /// <summary>8 bits, two's complement.</summary>
    I8,

    /// <summary>8-bit float, 5 exponent bits.</summary>
    F8E5M2,

    /// <summary>8-bit float, 4 exponent bits.</summary>
    F8E4M3,

    /// <summary>16 bits, two's complement.</summary>
    I16,

    /// <summary>16 bits, unsigned.</summary>
    U16,

    /// <summary>IEEE binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>32 bits, two's complement.</summary>
    I32,

    /// <summary>32 bits, unsigned.</summary>
    U32,

    /// <summary>IEEE binary32.</summary>
    F32,

    /// <summary>IEEE binary64.</summary>
    F64,

    /// <summary>64 bits, two's complement.</summary>
    I64,

    /// <summary>64 bits, unsigned.</summary>
    U64,
}

/// <summary>Names and sizes of <see cref="TensorType"/>: one table for reader and writer.</summary>
internal static class TensorTypes
{
    private static readonly (TensorType Type, string Name, int Size)[] Table =
    [
        (TensorType.Bool, "BOOL", 1), (TensorType.U8, "U8", 1), (TensorType.I8, "I8", 1),
        (TensorType.F8E5M2, "F8_E5M2", 1), (TensorType.F8E4M3, "F8_E4M3", 1),
        (TensorType.I16, "I16", 2), (TensorType.U16, "U16", 2), (TensorType.F16, "F16", 2), (TensorType.BF16, "BF16", 2),
        (TensorType.I32, "I32", 4), (TensorType.U32, "U32", 4), (TensorType.F32, "F32", 4),
        (TensorType.F64, "F64", 8), (TensorType.I64, "I64", 8), (TensorType.U64, "U64", 8),
    ];

    /// <summary>Bytes of an element.</summary>
    public static int SizeOf(TensorType type) => Table[(int)type].Size;

    /// <summary>The name in a safetensors header.</summary>
    public static string NameOf(TensorType type) => Table[(int)type].Name;

    /// <summary>Finds a type by its name in a safetensors header.</summary>
    public static bool TryParse(string name, out TensorType type)
    {
        foreach ((TensorType candidate, string text, _) in Table)
        {
            if (text == name)
            {
                type = candidate;
                return true;
            }
        }

        type = default;
        return false;
    }
}

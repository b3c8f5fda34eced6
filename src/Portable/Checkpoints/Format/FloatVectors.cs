using System.Runtime.InteropServices;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.Format;

/// <summary>Tables and vectors of floats as tensors of a quantized checkpoint.</summary>
internal static class FloatVectors
{
    /// <summary>A vector, in the checkpoint's element type where that loses nothing and in F32 where it would.</summary>
    public static TensorSource ToTensor(string name, float[] values, ElementType type)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                throw new ArgumentException($"{name} holds a value that is not finite.");
            }
        }

        if (type == ElementType.Float32 || !TryNarrow(values, type, out ushort[] narrow))
        {
            return TensorSource.Of(name, TensorType.F32, values, values.Length);
        }

        return TensorSource.Of(name, TensorTypeOf(type), narrow, values.Length);
    }

    /// <summary>A table as it is.</summary>
    public static TensorSource ToTensor(string name, FloatTable table) =>
        new(name, TensorTypeOf(table.Type), [table.Rows, table.Columns], stream =>
        {
            foreach ((_, FloatTable piece) in table.Pieces)
            {
                stream.Write(piece.Data.Span);
            }
        });

    /// <summary>A norm: gain, and bias where it has one.</summary>
    public static IEnumerable<TensorSource> ToTensors(string name, NormWeights norm, ElementType type)
    {
        yield return ToTensor(name + ".weight", norm.Gain, type);
        if (norm.Bias is { } bias)
        {
            yield return ToTensor(name + ".bias", bias, type);
        }
    }

    private static TensorType TensorTypeOf(ElementType type) => type switch
    {
        ElementType.Float32 => TensorType.F32,
        ElementType.Float16 => TensorType.F16,
        _ => TensorType.BF16,
    };

    private static bool TryNarrow(float[] values, ElementType type, out ushort[] narrow)
    {
        narrow = new ushort[values.Length];
        for (int i = 0; i < narrow.Length; i++)
        {
            narrow[i] = type == ElementType.Float16 ? BitConverter.HalfToUInt16Bits((Half)values[i]) : (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16);
        }

        float[] back = new float[values.Length];
        ElementConversion.ToSingle(MemoryMarshal.AsBytes<ushort>(narrow), type, back);
        return back.AsSpan().SequenceEqual(values);
    }
}

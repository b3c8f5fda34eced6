using System.Globalization;
using System.Runtime.InteropServices;
using Portable.Models;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.Safetensors;

/// <summary>Checks that a file holds exactly the tensors that it should, and reads small ones.</summary>
internal sealed class TensorReader(SafetensorsFile file)
{
    private readonly HashSet<string> _expected = new(StringComparer.Ordinal);

    /// <summary>The file.</summary>
    public SafetensorsFile File => file;

    /// <summary>Whether the file has an optional tensor.</summary>
    public bool Has(string name) => file.TryFind(name, out _);

    /// <summary>Checks type and shape of a tensor that must be there.</summary>
    public void Require(string name, TensorType type, params ReadOnlySpan<long> shape)
    {
        TensorInfo tensor = file.Find(name);
        if (tensor.Type != type)
        {
            throw new CheckpointException(file.Path, $"dtype {TensorTypes.NameOf(tensor.Type)} where {TensorTypes.NameOf(type)} belongs", name, tensor.Offset);
        }

        _expected.Add(name);
        RequireShape(file, tensor, shape);
    }

    /// <summary>Checks a tensor of any of the three float types.</summary>
    public void RequireFloat(string name, params ReadOnlySpan<long> shape)
    {
        TensorInfo tensor = file.Find(name);
        _expected.Add(name);
        RequireFloat(file, tensor, shape);
    }

    /// <summary>Checks a tensor of any of the three float types, without reading values.</summary>
    public static void RequireFloat(SafetensorsFile file, TensorInfo tensor, ReadOnlySpan<long> shape)
    {
        if (tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
        {
            throw new CheckpointException(file.Path, $"dtype {TensorTypes.NameOf(tensor.Type)} where F32, F16 or BF16 belongs", tensor.Name, tensor.Offset);
        }

        RequireShape(file, tensor, shape, "config.json asks for [{0}]");
    }

    /// <summary>Refuses tensors that were not asked for.</summary>
    public void RefuseOthers()
    {
        foreach (TensorInfo tensor in file.Tensors)
        {
            if (!_expected.Contains(tensor.Name))
            {
                throw new CheckpointException(file.Path, "the tensor does not belong here", tensor.Name, tensor.Offset);
            }
        }
    }

    /// <summary>A vector of finite floats as f32.</summary>
    public static float[] Vector(SafetensorsFile file, string name)
    {
        TensorInfo tensor = file.Find(name);
        byte[] data = new byte[tensor.Length];
        file.Read(tensor, data);
        ElementType type = ElementTypeOf(tensor.Type);
        RequireFinite(file, tensor, data, type);
        return Floats(data, type);
    }

    /// <summary>Elements as f32.</summary>
    public static float[] Floats(ReadOnlySpan<byte> data, ElementType type)
    {
        float[] values = new float[data.Length / ElementConversion.SizeOf(type)];
        ElementConversion.ToSingle(data, type, values);
        return values;
    }

    /// <summary>A matrix of finite floats in place.</summary>
    public static FloatTable Table(SafetensorsFile file, TensorInfo tensor)
    {
        FloatTable table = UncheckedTable(file, tensor);
        RequireFinite(file, tensor, table);
        return table;
    }

    /// <summary>A matrix of floats in place, whatever its values.</summary>
    public static FloatTable UncheckedTable(SafetensorsFile file, TensorInfo tensor)
    {
        (int pieceRows, ReadOnlyMemory<byte>[] pieces) = file.MapRows(tensor);
        return new FloatTable((int)tensor.Shape[0], (int)tensor.Shape[1], ElementTypeOf(tensor.Type), pieceRows, pieces);
    }

    /// <summary>Refuses NaN and infinity in a matrix, by place.</summary>
    public static void RequireFinite(SafetensorsFile file, TensorInfo tensor, FloatTable table)
    {
        foreach ((int firstRow, FloatTable piece) in table.Pieces)
        {
            RequireFinite(file, tensor, piece.Data.Span, table.Type, (long)firstRow * table.Columns);
        }
    }

    /// <summary>A tensor's elements.</summary>
    public static T[] Values<T>(SafetensorsFile file, TensorInfo tensor)
        where T : unmanaged
    {
        T[] values = GC.AllocateUninitializedArray<T>(checked((int)(tensor.Length / Marshal.SizeOf<T>())));
        file.Read(tensor, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Refuses NaN and infinity, by place.</summary>
    public static void RequireFinite(SafetensorsFile file, TensorInfo tensor, ReadOnlySpan<byte> data, ElementType type, long firstElement = 0)
    {
        int bad = FiniteScan.FirstNonFinite(data, type);
        if (bad >= 0)
        {
            throw Bad(file, tensor, firstElement + bad, "is NaN or infinite");
        }
    }

    /// <summary>The error for one element.</summary>
    public static CheckpointException Bad(SafetensorsFile file, TensorInfo tensor, long element, string problem) =>
        new(file.Path, $"element {element} {problem}", tensor.Name, tensor.Offset + element * TensorTypes.SizeOf(tensor.Type));

    /// <summary>The element type of a float tensor.</summary>
    public static ElementType ElementTypeOf(TensorType type) => type switch
    {
        TensorType.F32 => ElementType.Float32,
        TensorType.F16 => ElementType.Float16,
        TensorType.BF16 => ElementType.BFloat16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a float type of weights."),
    };

    private static void RequireShape(SafetensorsFile file, TensorInfo tensor, ReadOnlySpan<long> shape, string expected = "[{0}] belongs")
    {
        if (!tensor.HasShape(shape))
        {
            throw new CheckpointException(file.Path, $"shape {tensor.ShapeText} where {string.Format(CultureInfo.InvariantCulture, expected, string.Join(", ", shape.ToArray()))}", tensor.Name, tensor.Offset);
        }
    }
}

using System.Numerics;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Execution;

internal sealed class CpuTable(TableWeights table, int rows) : DeviceTable(table.Rows, table.Columns)
{
    private QuantizedActivations? _input;

    public FloatTable? Float => table.Float;

    public QuantizedLinear? Quantized => table.Quantized;

    /// <summary>What a head of codes multiplies, made when first asked for: an embedding alone needs none.</summary>
    /// <param name="count">Rows that there must be room for.</param>
    public QuantizedActivations Input(int count) => _input = CpuRoom.For(_input, count, rows, Quantized!.Weights.Layout, Quantized.Input.Format, 0);
}

internal sealed class CpuNorm(NormWeights weights, float epsilon) : DeviceNorm
{
    public NormWeights Weights => weights;

    public float Epsilon => epsilon;
}

internal sealed class CpuLinear(IReadOnlyList<LinearWeights> parts) : DeviceLinear(parts.Sum(p => p.OutputFeatures))
{
    public IReadOnlyList<LinearWeights> Parts => parts;

    /// <summary>The layers where they are quantized (then all are: they read one input), else null.</summary>
    public QuantizedLinear[]? Quantized { get; } = parts.All(p => p.Quantized is not null) ? [.. parts.Select(p => p.Quantized!)] : null;
}

/// <summary>Memory for as many rows as batches have had, not for the most they may have: a prompt of a few tokens pays for those alone.</summary>
internal static class CpuRoom
{
    /// <summary>Rows to make room for.</summary>
    /// <param name="rows">Rows that are needed.</param>
    /// <param name="most">The most rows of a batch.</param>
    public static int Rows(int rows, int most) => rows <= most ? (int)Math.Min(BitOperations.RoundUpToPowerOf2((uint)rows), (uint)most) : throw new ArgumentOutOfRangeException(nameof(rows));

    /// <summary>Activations with room for so many rows: those that are there, or larger ones, whose content is undefined.</summary>
    public static QuantizedActivations For(QuantizedActivations? held, int rows, int most, GroupLayout layout, CodeFormat format, int groupSize) =>
        held is not null && held.Capacity >= rows ? held : new QuantizedActivations(Rows(rows, most), layout, format, groupSize);
}

internal sealed class CpuActivation(int rows, int columns) : DeviceActivation(columns)
{
    private float[] _values = [];

    /// <summary>All that there is memory for so far, whole rows.</summary>
    public Span<float> Held => _values;

    /// <summary>The first rows.</summary>
    public Span<float> Rows(int count) => Reserve(count).AsSpan(0, count * Columns);

    /// <summary>An array with room for so many rows. Rows that were held keep their values; earlier arrays are no longer the activation's.</summary>
    public float[] Reserve(int count)
    {
        if (count * Columns > _values.Length)
        {
            float[] larger = GC.AllocateUninitializedArray<float>(CpuRoom.Rows(count, rows) * Columns, pinned: true);
            _values.CopyTo(larger, 0);
            _values = larger;
        }

        return _values;
    }
}

internal sealed class CpuInput : DeviceInput
{
    private readonly int _rows;

    public CpuInput(InputSpec spec, int rows)
        : base(spec)
    {
        _rows = rows;
        if (spec.Quantizer is null)
        {
            Float = new CpuActivation(rows, spec.Columns);
        }
    }

    /// <summary>What was quantized last, or null.</summary>
    public QuantizedActivations? Quantized { get; private set; }

    public CpuActivation? Float { get; }

    /// <summary>Room for so many rows of codes; their content is undefined.</summary>
    public QuantizedActivations Reserve(int count) => Quantized = CpuRoom.For(Quantized, count, _rows, Spec.Layout, Spec.Quantizer!.Format, Spec.Quantizer.GroupSize);
}

internal sealed class CpuRotary(RotaryTable table) : DeviceRotary
{
    public RotaryTable Table => table;
}

internal sealed class CpuCache(KeyValueCache cache) : DeviceCache
{
    public KeyValueCache Cache => cache;
}

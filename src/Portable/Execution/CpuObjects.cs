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
    public QuantizedActivations Input => _input ??= new QuantizedActivations(rows, Quantized!.Weights.Layout, Quantized.Input.Format, 0);
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

internal sealed class CpuActivation(int rows, int columns) : DeviceActivation(columns)
{
    public float[] Values { get; } = GC.AllocateUninitializedArray<float>(rows * columns, pinned: true);

    public Span<float> Rows(int rows) => Values.AsSpan(0, rows * Columns);
}

internal sealed class CpuInput : DeviceInput
{
    public CpuInput(InputSpec spec, int rows)
        : base(spec)
    {
        if (spec.Quantizer is { } quantizer)
        {
            Quantized = new QuantizedActivations(rows, spec.Layout, quantizer.Format, quantizer.GroupSize);
        }
        else
        {
            Float = new CpuActivation(rows, spec.Columns);
        }
    }

    public QuantizedActivations? Quantized { get; }

    public CpuActivation? Float { get; }
}

internal sealed class CpuRotary(RotaryTable table) : DeviceRotary
{
    public RotaryTable Table => table;
}

internal sealed class CpuCache(KeyValueCache cache, CacheShape shape) : DeviceCache
{
    public KeyValueCache Cache => cache;

    public CacheShape Shape => shape;
}

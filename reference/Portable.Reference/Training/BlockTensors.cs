using Portable.Reference.Blocks;

namespace Portable.Reference.Training;

/// <summary>Weight (N×K, row-major) and bias of a linear layer, or their gradients.</summary>
/// <param name="Rows">N.</param>
/// <param name="Columns">K.</param>
/// <param name="Weight">N × K values.</param>
/// <param name="Bias">N values, or null.</param>
internal sealed record LinearTensors(int Rows, int Columns, float[] Weight, float[]? Bias);

/// <summary>Gain and bias of a norm, or their gradients.</summary>
/// <param name="Gain">One value a channel.</param>
/// <param name="Bias">Likewise, or null.</param>
internal sealed record NormTensors(float[] Gain, float[]? Bias);

/// <summary>The parameters of a decoder block in single precision, or the gradients of all of them.</summary>
/// <param name="layout">The block.</param>
internal sealed class BlockTensors(BlockLayout layout)
{
    private readonly Dictionary<BlockSlot, LinearTensors> _linears = [];
    private readonly Dictionary<BlockNorm, NormTensors> _norms = [];

    /// <summary>Zeros of the same shape as <paramref name="like"/>: for gradients.</summary>
    public BlockTensors(BlockTensors like)
        : this(like.Layout)
    {
        foreach (BlockNorm norm in Layout.Norms)
        {
            this[norm] = new NormTensors(new float[like[norm].Gain.Length], Same(like[norm].Bias));
        }

        foreach (BlockSlot slot in Layout.Slots)
        {
            LinearTensors l = like[slot];
            this[slot] = new LinearTensors(l.Rows, l.Columns, new float[l.Weight.Length], Same(l.Bias));
        }
    }

    /// <summary>The block.</summary>
    public BlockLayout Layout { get; } = layout;

    /// <summary>A norm of the block.</summary>
    /// <exception cref="ArgumentException">The size does not fit, or the block has no such norm.</exception>
    public NormTensors this[BlockNorm norm]
    {
        get => _norms.TryGetValue(norm, out NormTensors? tensors) ? tensors : throw new ArgumentException($"The block has no norm {norm}.");
        set
        {
            int width = Layout.WidthOf(norm);
            _norms[norm] = value.Gain.Length == width && (value.Bias?.Length ?? width) == width
                ? value
                : throw new ArgumentException($"{norm} has {value.Gain.Length} values, expected {width}.");
        }
    }

    /// <summary>A layer of the block.</summary>
    /// <exception cref="ArgumentException">The shape does not fit, or the block has no such layer.</exception>
    public LinearTensors this[BlockSlot slot]
    {
        get => _linears.TryGetValue(slot, out LinearTensors? tensors) ? tensors : throw new ArgumentException($"The block has no {slot}.");
        set
        {
            (int rows, int columns) = Layout.SizeOf(slot);
            if (value.Rows != rows || value.Columns != columns || value.Weight.Length != rows * columns || (value.Bias is { } b && b.Length != rows))
            {
                throw new ArgumentException($"{slot} is {value.Rows}×{value.Columns}, expected {rows}×{columns}.");
            }

            _linears[slot] = value;
        }
    }

    private static float[]? Same(float[]? values) => values is null ? null : new float[values.Length];
}

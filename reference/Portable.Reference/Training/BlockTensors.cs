namespace Portable.Reference.Training;

/// <summary>Weight (N×K, row-major) and bias of a linear layer, or their gradients.</summary>
/// <param name="Rows">N.</param>
/// <param name="Columns">K.</param>
/// <param name="Weight">N × K values.</param>
/// <param name="Bias">N values, or null.</param>
internal sealed record LinearTensors(int Rows, int Columns, float[] Weight, float[]? Bias);

/// <summary>The parameters of a decoder block in single precision, or the gradients of all of them.</summary>
internal sealed class BlockTensors
{
    private readonly LinearTensors?[] _linears = new LinearTensors?[Enum.GetValues<BlockLinear>().Length];

    /// <summary>Wraps norm parameters; layers are set through the indexer.</summary>
    public BlockTensors(BlockShape shape, float[] attentionGain, float[]? attentionBias, float[] mlpGain, float[]? mlpBias)
    {
        (Shape, AttentionGain, AttentionBias, MlpGain, MlpBias) = (shape, attentionGain, attentionBias, mlpGain, mlpBias);
    }

    /// <summary>Zeros of the same shape as <paramref name="like"/>: for gradients.</summary>
    public BlockTensors(BlockTensors like)
        : this(like.Shape, new float[like.AttentionGain.Length], Same(like.AttentionBias), new float[like.MlpGain.Length], Same(like.MlpBias))
    {
        foreach (BlockLinear linear in Shape.Linears)
        {
            LinearTensors l = like[linear];
            this[linear] = new LinearTensors(l.Rows, l.Columns, new float[l.Weight.Length], Same(l.Bias));
        }
    }

    /// <summary>Shape of the block.</summary>
    public BlockShape Shape { get; }

    /// <summary>Gain of the norm before attention.</summary>
    public float[] AttentionGain { get; }

    /// <summary>Bias of the LayerNorm before attention, or null.</summary>
    public float[]? AttentionBias { get; }

    /// <summary>Gain of the norm before the MLP.</summary>
    public float[] MlpGain { get; }

    /// <summary>Bias of the LayerNorm before the MLP, or null.</summary>
    public float[]? MlpBias { get; }

    /// <summary>A layer of the block.</summary>
    /// <exception cref="ArgumentException">The shape does not fit, or the block has no such layer.</exception>
    public LinearTensors this[BlockLinear linear]
    {
        get => _linears[(int)linear] ?? throw new ArgumentException($"The block has no {linear}.");
        set
        {
            (int rows, int columns) = Shape.SizeOf(linear);
            if (value.Rows != rows || value.Columns != columns || value.Weight.Length != rows * columns || (value.Bias is { } b && b.Length != rows))
            {
                throw new ArgumentException($"{linear} is {value.Rows}×{value.Columns}, expected {rows}×{columns}.");
            }

            _linears[(int)linear] = value;
        }
    }

    private static float[]? Same(float[]? values) => values is null ? null : new float[values.Length];
}

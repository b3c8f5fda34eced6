using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>The trainable side of a block: the equivalent transformation, the linears, and the folded norms.</summary>
internal sealed class StudentBlock
{
    private readonly BlockLayout _layout;
    private readonly StudentFactors _factors;
    private readonly Dictionary<BlockSlot, StudentLinear> _linears = [];

    /// <summary>Starts with the published smoothing vectors, or with none.</summary>
    /// <param name="original">The float block.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Which pairs are smoothed, and how.</param>
    /// <param name="statistics">Input statistics of the float block.</param>
    public StudentBlock(BlockTensors original, BlockWidths widths, AbqOptions options, BlockStatistics statistics)
    {
        _layout = original.Layout;
        _factors = new StudentFactors(_layout, norm => original[norm], linear => ColumnMaxima(original[linear]), options, statistics);
        Quantized = new BlockTensors(_layout);
        Gradients = new BlockTensors(_layout);
        foreach (BlockNorm norm in _layout.Norms)
        {
            Quantized[norm] = _factors.Norms[norm];
            Gradients[norm] = _factors.NormGradients[norm];
        }

        foreach (BlockSlot linear in _layout.Slots)
        {
            StudentLinear student = new(original[linear], widths, _factors[linear]);
            _linears.Add(linear, student);
            Quantized[linear] = student.Quantized;
            Gradients[linear] = student.Gradient;
        }
    }

    /// <summary>The block as it is multiplied: quantized weights, folded norms.</summary>
    public BlockTensors Quantized { get; }

    /// <summary>Gradients with respect to <see cref="Quantized"/>.</summary>
    public BlockTensors Gradients { get; }

    /// <summary>A layer.</summary>
    public StudentLinear this[BlockSlot linear] => _linears[linear];

    /// <summary>All trainable values: smoothing vectors, then the layers' parts.</summary>
    public IEnumerable<ParameterGroup> Parameters => _factors.Parameters.Concat(_layout.Slots.SelectMany(l => _linears[l].Parameters));

    /// <summary>Factors of rows and columns and the folded norms, from the present vectors.</summary>
    public void UpdateFactors() => _factors.Update();

    /// <summary>Folds and quantizes every layer.</summary>
    public void Materialize()
    {
        UpdateFactors();
        foreach (StudentLinear linear in _linears.Values)
        {
            linear.Materialize();
        }
    }

    /// <summary>From the gradients of the quantized block to those of the trained values.</summary>
    public void Backward()
    {
        foreach (BlockSlot linear in _layout.Slots)
        {
            _linears[linear].Backward();
        }

        _factors.Backward();
    }

    private static float[] ColumnMaxima(LinearTensors linear)
    {
        float[] maxima = new float[linear.Columns];
        for (int i = 0; i < linear.Weight.Length; i++)
        {
            maxima[i % linear.Columns] = MathF.Max(maxima[i % linear.Columns], MathF.Abs(linear.Weight[i]));
        }

        return maxima;
    }
}

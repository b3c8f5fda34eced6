using System.Numerics.Tensors;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Quantization.Baselines;

/// <summary>
/// A float block under an equivalent transformation: inputs of linears divided by factors, the matching weight columns
/// multiplied, and the division folded into what makes the input (a norm, or the rows of an earlier linear).
/// </summary>
internal sealed class ScaledBlock
{
    private readonly BlockWeights _block;
    private readonly AttentionLayout _heads;
    private readonly Dictionary<string, float[]> _weights;
    private readonly Dictionary<string, float[]?> _biases;
    private readonly Dictionary<BlockNorm, NormWeights> _norms;

    public ScaledBlock(BlockWeights block)
    {
        (_block, _heads) = (block, block.Layout.Attention);
        _weights = block.Linears.ToDictionary(l => l.Name, l => l.ReadWeights());
        _biases = block.Linears.ToDictionary(l => l.Name, l => l.Bias);
        _norms = block.Layout.Norms.ToDictionary(n => n, n => block[n]);
    }

    /// <summary>What each linear's input was divided by, by module name.</summary>
    public Dictionary<string, float[]> InputFactors { get; } = [];

    /// <summary>What each linear's output is divided by, by module name.</summary>
    public Dictionary<string, float[]> OutputFactors { get; } = [];

    public float[] Weights(LinearWeights linear) => _weights[linear.Name];

    public float[]? Bias(LinearWeights linear) => _biases[linear.Name];

    public NormWeights Norm(BlockNorm norm) => _norms[norm];

    /// <summary>Whether an input is the output of a norm, which takes any factors.</summary>
    public bool HasNorm(BlockInput input) => input is BlockInput.Attention or BlockInput.Mlp && _block.Layout.HasNormsBefore;

    /// <summary>Whether the division of an input can be folded into what makes it: a norm, v's rows, or up's where the activation is of degree one in them.</summary>
    public static bool Folds(BlockLayout layout, BlockInput input) => input switch
    {
        BlockInput.Attention or BlockInput.Mlp => layout.HasNormsBefore,
        BlockInput.Output => true,
        _ => layout.Gated || layout.Activation == ActivationKind.Relu,
    };

    /// <summary>max|W_j| of each linear that reads an input, as they are now.</summary>
    public IReadOnlyList<float[]> WeightMaxima(BlockInput input) =>
    [
        .. _block.Reading(input).Select(linear =>
        {
            float[] maxima = new float[_block.Layout.Columns(input)];
            Smoothing.RaiseColumnMaxima(Weights(linear), maxima);
            return maxima;
        }),
    ];

    /// <summary>Smooths an input; its maxima become those of the smoothed input.</summary>
    /// <param name="input">The input. Down folds into up's rows (OPT: fc1, ReLU being positively homogeneous), Output into v's.</param>
    /// <param name="maxima">max|X_j|; divided in place.</param>
    /// <param name="alpha">Migration strength.</param>
    /// <param name="equalLinears">Bring the linears that read the input to one mean first, where each has a scale of its own.</param>
    public void Smooth(BlockInput input, float[] maxima, double alpha, bool equalLinears = false)
    {
        float[] weightMaxima = new float[maxima.Length];
        foreach (float[] own in WeightMaxima(input))
        {
            float mean = equalLinears ? MathF.Max((float)own.Average(m => (double)m), Smoothing.Floor) : 1;
            for (int j = 0; j < own.Length; j++)
            {
                weightMaxima[j] = MathF.Max(weightMaxima[j], own[j] / mean);
            }
        }

        if (input == BlockInput.Output)
        {
            ShareAmongHeads(maxima, weightMaxima, out float[] x, out float[] w);
            Fold(input, maxima, ForHeads(Smoothing.Factors(x, w, alpha)), Smoothing.Factors(x, w, alpha));
        }
        else
        {
            float[] factors = Smoothing.Factors(maxima, weightMaxima, alpha);
            Fold(input, maxima, factors, factors);
        }
    }

    /// <summary>Divides the output of a norm by given factors and multiplies the weight columns that read it.</summary>
    /// <param name="input">Attention or Mlp.</param>
    /// <param name="factors">s_j.</param>
    public void Divide(BlockInput input, float[] factors) => Fold(input, [], factors, factors);

    private void Fold(BlockInput input, float[] maxima, float[] factors, float[] producer)
    {
        for (int j = 0; j < maxima.Length; j++)
        {
            maxima[j] /= factors[j];
        }

        foreach (LinearWeights linear in _block.Reading(input))
        {
            _weights[linear.Name] = Smoothing.Scale(_weights[linear.Name], factors, divide: false);
            InputFactors[linear.Name] = factors;
        }

        switch (input)
        {
            case BlockInput.Attention:
                _norms[BlockNorm.Attention] = Divide(_norms[BlockNorm.Attention], factors);
                break;
            case BlockInput.Mlp:
                _norms[BlockNorm.Mlp] = Divide(_norms[BlockNorm.Mlp], factors);
                break;
            default:
                DivideRows(_block[input == BlockInput.Output ? BlockSlot.Value : BlockSlot.Up], producer);
                break;
        }
    }

    private void DivideRows(LinearWeights linear, float[] factors)
    {
        float[] weights = _weights[linear.Name];
        int columns = weights.Length / factors.Length;
        RowRanges.Run(factors.Length, columns, (first, count) =>
        {
            for (int row = first; row < first + count; row++)
            {
                Span<float> values = weights.AsSpan(row * columns, columns);
                TensorPrimitives.Divide(values, factors[row], values);
            }
        });

        _biases[linear.Name] = _biases[linear.Name] is { } bias ? Smoothing.Scale(bias, factors, divide: true) : null;
        OutputFactors[linear.Name] = factors;
    }

    private static NormWeights Divide(NormWeights norm, float[] factors) =>
        new(Smoothing.Scale(norm.Gain, factors, divide: true), norm.Bias is { } bias ? Smoothing.Scale(bias, factors, divide: true) : null);

    /// <summary>Query heads that share a value head share its factors: maxima over them, one value per value channel.</summary>
    private void ShareAmongHeads(float[] maxima, float[] weightMaxima, out float[] x, out float[] w)
    {
        x = new float[_heads.KeyValueWidth];
        w = new float[_heads.KeyValueWidth];
        for (int j = 0; j < maxima.Length; j++)
        {
            int shared = ValueChannel(j);
            x[shared] = MathF.Max(x[shared], maxima[j]);
            w[shared] = MathF.Max(w[shared], weightMaxima[j]);
        }
    }

    private float[] ForHeads(float[] factors) => [.. Enumerable.Range(0, _heads.QueryWidth).Select(j => factors[ValueChannel(j)])];

    private int ValueChannel(int column)
    {
        int head = column / _heads.HeadSize, perValueHead = _heads.GroupHeads;
        return head / perValueHead * _heads.HeadSize + column % _heads.HeadSize;
    }
}

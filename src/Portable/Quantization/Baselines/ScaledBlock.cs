using Portable.Models;
using Portable.Reference.Algorithms.Baselines;

namespace Portable.Quantization.Baselines;

/// <summary>
/// A float block under an equivalent transformation: inputs of linears divided by factors, the matching weight columns
/// multiplied, and the division folded into what makes the input (a norm, or the rows of an earlier linear).
/// </summary>
internal sealed class ScaledBlock
{
    private readonly BlockWeights _block;
    private readonly ModelConfig _config;
    private readonly Dictionary<string, float[]> _weights;
    private readonly Dictionary<string, float[]?> _biases;

    public ScaledBlock(BlockWeights block, ModelConfig config)
    {
        (_block, _config) = (block, config);
        _weights = block.Linears.ToDictionary(l => l.Name, l => l.ReadWeights());
        _biases = block.Linears.ToDictionary(l => l.Name, l => l.Bias);
        (AttentionNorm, MlpNorm) = (block.AttentionNorm, block.MlpNorm);
    }

    public NormWeights AttentionNorm { get; private set; }

    public NormWeights MlpNorm { get; private set; }

    /// <summary>What each linear's input was divided by, by module name.</summary>
    public Dictionary<string, float[]> InputFactors { get; } = [];

    /// <summary>What each linear's output is divided by, by module name.</summary>
    public Dictionary<string, float[]> OutputFactors { get; } = [];

    public float[] Weights(LinearWeights linear) => _weights[linear.Name];

    public float[]? Bias(LinearWeights linear) => _biases[linear.Name];

    /// <summary>max|W_j| of each linear that reads an input, as they are now.</summary>
    public IReadOnlyList<float[]> WeightMaxima(BlockInput input) =>
    [
        .. _block.Reading(input).Select(linear =>
        {
            float[] maxima = new float[_config.Columns(input)];
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
                AttentionNorm = Divide(AttentionNorm, factors);
                break;
            case BlockInput.Mlp:
                MlpNorm = Divide(MlpNorm, factors);
                break;
            default:
                DivideRows(input == BlockInput.Output ? _block.Value : _block.Up, producer);
                break;
        }
    }

    private void DivideRows(LinearWeights linear, float[] factors)
    {
        float[] weights = _weights[linear.Name];
        int columns = weights.Length / factors.Length;
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] /= factors[i / columns];
        }

        _biases[linear.Name] = _biases[linear.Name] is { } bias ? Smoothing.Scale(bias, factors, divide: true) : null;
        OutputFactors[linear.Name] = factors;
    }

    private static NormWeights Divide(NormWeights norm, float[] factors) =>
        new(Smoothing.Scale(norm.Gain, factors, divide: true), norm.Bias is { } bias ? Smoothing.Scale(bias, factors, divide: true) : null);

    /// <summary>Query heads that share a value head share its factors: maxima over them, one value per value channel.</summary>
    private void ShareAmongHeads(float[] maxima, float[] weightMaxima, out float[] x, out float[] w)
    {
        x = new float[_config.KeyValueWidth];
        w = new float[_config.KeyValueWidth];
        for (int j = 0; j < maxima.Length; j++)
        {
            int shared = ValueChannel(j);
            x[shared] = MathF.Max(x[shared], maxima[j]);
            w[shared] = MathF.Max(w[shared], weightMaxima[j]);
        }
    }

    private float[] ForHeads(float[] factors) => [.. Enumerable.Range(0, _config.QueryWidth).Select(j => factors[ValueChannel(j)])];

    private int ValueChannel(int column)
    {
        int head = column / _config.HeadSize, perValueHead = _config.Heads / _config.KeyValueHeads;
        return head / perValueHead * _config.HeadSize + column % _config.HeadSize;
    }
}

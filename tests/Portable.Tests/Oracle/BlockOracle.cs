using Portable.Reference.Blocks;

namespace Portable.Tests.Oracle;

/// <summary>
/// A decoder block of any layout in double precision, plain loops, no gradients: what finite differences of the training code
/// are taken of, and what its forward pass is compared with.
/// </summary>
internal sealed class BlockOracle(BlockLayout layout)
{
    private readonly int _hidden = layout.Hidden, _size = layout.Attention.HeadSize, _heads = layout.Attention.Heads, _keyValueHeads = layout.Attention.KeyValueHeads;

    public Dictionary<BlockNorm, double[]> Gains { get; } = [];

    public Dictionary<BlockNorm, double[]> NormBiases { get; } = [];

    public Dictionary<BlockSlot, double[]> Weights { get; } = [];

    public Dictionary<BlockSlot, double[]> Biases { get; } = [];

    public double[]? MeanAttention { get; private set; }

    /// <summary>y of x; angles are [position × pairs], those of queries apart.</summary>
    public double[] Forward(double[] x, int tokens, double[] cos, double[] sin, double[] queryCos, double[] querySin)
    {
        double[] n1 = Norm(BlockNorm.Attention, x, _hidden);
        double[] q = Heads(BlockSlot.Query, BlockNorm.Query, n1, tokens, _heads, queryCos, querySin), k = Heads(BlockSlot.Key, BlockNorm.Key, n1, tokens, _keyValueHeads, cos, sin);
        double[] v = Linear(BlockSlot.Value, n1, tokens);
        double[] x1 = Plus(x, Norm(BlockNorm.AfterAttention, Linear(BlockSlot.Output, Attend(q, k, v, tokens), tokens), _hidden));
        double[] n2 = Norm(BlockNorm.Mlp, x1, _hidden), h = Linear(BlockSlot.Up, n2, tokens);
        if (layout.Gated)
        {
            h = [.. Linear(BlockSlot.Gate, n2, tokens).Zip(h, (g, u) => Activate(g) * u)];
        }
        else
        {
            h = [.. h.Select(Activate)];
        }

        return Plus(x1, Norm(BlockNorm.AfterMlp, Linear(BlockSlot.Down, h, tokens), _hidden));
    }

    private double Activate(double x) => layout.Activation switch
    {
        ActivationKind.Relu => Math.Max(x, 0),
        ActivationKind.SquaredRelu => Math.Max(x, 0) * Math.Max(x, 0),
        ActivationKind.Silu => x / (1 + Math.Exp(-x)),
        ActivationKind.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
        _ => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
    };

    /// <summary>2/√π·∫ e^−t² by its series, which converges for every x.</summary>
    private static double Erf(double x)
    {
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private double[] Heads(BlockSlot slot, BlockNorm norm, double[] input, int tokens, int count, double[] cos, double[] sin)
    {
        double[] heads = Norm(norm, Linear(slot, input, tokens), layout.Attention.QueryKeyNorm == QueryKeyNorm.Heads ? _size : count * _size);
        int half = (layout.Rotary?.Dimensions ?? 0) / 2;
        for (int t = 0; t < tokens; t++)
        {
            for (int h = 0; h < count; h++)
            {
                for (int i = 0; i < half; i++)
                {
                    int at = (t * count + h) * _size + i;
                    double a = heads[at], b = heads[at + half], c = cos[t * half + i], s = sin[t * half + i];
                    (heads[at], heads[at + half]) = (a * c - b * s, b * c + a * s);
                }
            }
        }

        return heads;
    }

    /// <summary>Runs of <paramref name="width"/> values normalised, each by itself; the values themselves where the block has no such norm.</summary>
    private double[] Norm(BlockNorm norm, double[] x, int width)
    {
        if (!Gains.TryGetValue(norm, out double[]? gain))
        {
            return x;
        }

        bool centred = NormBiases.TryGetValue(norm, out double[]? bias);
        double[] y = new double[x.Length];
        for (int start = 0; start < x.Length; start += width)
        {
            double mean = 0, square = 0;
            for (int i = 0; i < width && centred; i++)
            {
                mean += x[start + i] / width;
            }

            for (int i = 0; i < width; i++)
            {
                square += (x[start + i] - mean) * (x[start + i] - mean) / width;
            }

            for (int i = 0; i < width; i++)
            {
                y[start + i] = (x[start + i] - mean) / Math.Sqrt(square + layout.NormEpsilon) * gain[i] + (bias?[i] ?? 0);
            }
        }

        return y;
    }

    private double[] Linear(BlockSlot slot, double[] x, int tokens)
    {
        int columns = x.Length / tokens, rows = Weights[slot].Length / columns;
        double[]? bias = Biases.GetValueOrDefault(slot);
        double[] y = new double[tokens * rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int n = 0; n < rows; n++)
            {
                double sum = bias?[n] ?? 0;
                for (int c = 0; c < columns; c++)
                {
                    sum += x[t * columns + c] * Weights[slot][n * columns + c];
                }

                y[t * rows + n] = sum;
            }
        }

        return y;
    }

    private double[] Attend(double[] q, double[] k, double[] v, int tokens)
    {
        double[] o = new double[q.Length];
        double cap = layout.Attention.Softcap;
        MeanAttention = new double[tokens * tokens];
        for (int h = 0; h < _heads; h++)
        {
            int shared = h / (_heads / _keyValueHeads);
            for (int t = 0; t < tokens; t++)
            {
                // A window counts the token itself.
                int first = layout.Attention.Window == 0 ? 0 : Math.Max(0, t + 1 - layout.Attention.Window);
                double[] p = new double[t + 1];
                for (int j = first; j <= t; j++)
                {
                    for (int d = 0; d < _size; d++)
                    {
                        p[j] += q[(t * _heads + h) * _size + d] * k[(j * _keyValueHeads + shared) * _size + d] * layout.Attention.Scale;
                    }

                    p[j] = cap == 0 ? p[j] : cap * Math.Tanh(p[j] / cap);
                }

                double maximum = p[first..].Max(), sum = p[first..].Sum(s => Math.Exp(s - maximum));
                for (int j = first; j <= t; j++)
                {
                    double probability = Math.Exp(p[j] - maximum) / sum;
                    MeanAttention[t * tokens + j] += probability / _heads;
                    for (int d = 0; d < _size; d++)
                    {
                        o[(t * _heads + h) * _size + d] += probability * v[(j * _keyValueHeads + shared) * _size + d];
                    }
                }
            }
        }

        return o;
    }

    private static double[] Plus(double[] a, double[] b) => a.Zip(b, (l, r) => l + r).ToArray();
}

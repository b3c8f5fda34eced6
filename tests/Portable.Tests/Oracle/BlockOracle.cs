namespace Portable.Tests.Oracle;

/// <summary>
/// A decoder block in double precision, plain loops, no gradients: what finite differences of the training code are taken of.
/// Parameters are one flat list of arrays in the order of the constructor's arguments.
/// </summary>
internal sealed class BlockOracle(int hidden, int intermediate, int heads, int keyValueHeads, int size, bool gated, double epsilon)
{
    public double[] Gain1 { get; set; } = [];

    public double[]? Bias1 { get; set; }

    public double[] Gain2 { get; set; } = [];

    public double[]? Bias2 { get; set; }

    /// <summary>q, k, v, o, gate, up, down.</summary>
    public double[]?[] Weights { get; } = new double[]?[7];

    public double[]?[] Biases { get; } = new double[]?[7];

    public double[]? MeanAttention { get; private set; }

    public double[] Forward(double[] x, int tokens, double[] cos, double[] sin)
    {
        double[] n1 = Norm(x, Gain1, Bias1, tokens);
        double[] q = Linear(0, n1, tokens, heads * size, hidden), k = Linear(1, n1, tokens, keyValueHeads * size, hidden), v = Linear(2, n1, tokens, keyValueHeads * size, hidden);
        if (gated)
        {
            Rotate(q, tokens, heads, cos, sin);
            Rotate(k, tokens, keyValueHeads, cos, sin);
        }

        double[] x1 = Plus(x, Linear(3, Attend(q, k, v, tokens), tokens, hidden, heads * size));
        double[] n2 = Norm(x1, Gain2, Bias2, tokens), up = Linear(5, n2, tokens, intermediate, hidden);
        double[] gate = gated ? Linear(4, n2, tokens, intermediate, hidden) : [];
        for (int i = 0; i < up.Length; i++)
        {
            up[i] = gated ? up[i] * gate[i] / (1 + Math.Exp(-gate[i])) : Math.Max(up[i], 0);
        }

        return Plus(x1, Linear(6, up, tokens, hidden, intermediate));
    }

    private double[] Norm(double[] x, double[] gain, double[]? bias, int tokens)
    {
        double[] y = new double[x.Length];
        for (int t = 0; t < tokens; t++)
        {
            double mean = 0, square = 0;
            for (int i = 0; i < hidden && bias is not null; i++)
            {
                mean += x[t * hidden + i] / hidden;
            }

            for (int i = 0; i < hidden; i++)
            {
                square += (x[t * hidden + i] - mean) * (x[t * hidden + i] - mean) / hidden;
            }

            for (int i = 0; i < hidden; i++)
            {
                y[t * hidden + i] = (x[t * hidden + i] - mean) / Math.Sqrt(square + epsilon) * gain[i] + (bias?[i] ?? 0);
            }
        }

        return y;
    }

    private double[] Linear(int layer, double[] x, int tokens, int rows, int columns)
    {
        double[] y = new double[tokens * rows];
        for (int t = 0; t < tokens; t++)
        {
            for (int n = 0; n < rows; n++)
            {
                double sum = Biases[layer]?[n] ?? 0;
                for (int c = 0; c < columns; c++)
                {
                    sum += x[t * columns + c] * Weights[layer]![n * columns + c];
                }

                y[t * rows + n] = sum;
            }
        }

        return y;
    }

    private void Rotate(double[] x, int tokens, int count, double[] cos, double[] sin)
    {
        int half = size / 2;
        for (int t = 0; t < tokens; t++)
        {
            for (int h = 0; h < count; h++)
            {
                for (int i = 0; i < half; i++)
                {
                    int at = (t * count + h) * size + i;
                    double a = x[at], b = x[at + half], c = cos[t * half + i], s = sin[t * half + i];
                    (x[at], x[at + half]) = (a * c - b * s, b * c + a * s);
                }
            }
        }
    }

    private double[] Attend(double[] q, double[] k, double[] v, int tokens)
    {
        double[] o = new double[q.Length];
        MeanAttention = new double[tokens * tokens];
        for (int h = 0; h < heads; h++)
        {
            int shared = h / (heads / keyValueHeads);
            for (int t = 0; t < tokens; t++)
            {
                double[] p = new double[t + 1];
                for (int j = 0; j <= t; j++)
                {
                    for (int d = 0; d < size; d++)
                    {
                        p[j] += q[(t * heads + h) * size + d] * k[(j * keyValueHeads + shared) * size + d] / Math.Sqrt(size);
                    }
                }

                double maximum = p.Max(), sum = p.Sum(s => Math.Exp(s - maximum));
                for (int j = 0; j <= t; j++)
                {
                    double probability = Math.Exp(p[j] - maximum) / sum;
                    MeanAttention[t * tokens + j] += probability / heads;
                    for (int d = 0; d < size; d++)
                    {
                        o[(t * heads + h) * size + d] += probability * v[(j * keyValueHeads + shared) * size + d];
                    }
                }
            }
        }

        return o;
    }

    private static double[] Plus(double[] a, double[] b) => a.Zip(b, (l, r) => l + r).ToArray();
}

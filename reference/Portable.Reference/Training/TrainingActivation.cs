using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>The non-linearity of the MLP with gradients: SiLU gate h = g·σ(g)·u, or ReLU.</summary>
internal static class TrainingActivation
{
    private const int Lanes = VectorContract.Lanes;

    /// <summary>h = g·σ(g)·u.</summary>
    public static void Gate(float[] gate, float[] up, float[] h, int tokens, int columns) => WorkerPool.Run(tokens, t =>
    {
        ReadOnlySpan<float> g = gate.AsSpan(t * columns, columns), u = up.AsSpan(t * columns, columns);
        Span<float> result = h.AsSpan(t * columns, columns);
        int i = 0;
        for (; i <= columns - Lanes; i += Lanes)
        {
            Vector256<float> v = Vector256.Create(g.Slice(i, Lanes));
            (v * VectorContract.Sigmoid(v) * Vector256.Create(u.Slice(i, Lanes))).CopyTo(result[i..]);
        }

        for (; i < columns; i++)
        {
            result[i] = g[i] * Sigmoid(g[i]) * u[i];
        }
    });

    /// <summary>dg = dh·u·σ·(1 + g·(1 − σ)), du = dh·g·σ.</summary>
    public static void GateBackward(float[] gate, float[] up, float[] dh, float[] dGate, float[] dUp, int tokens, int columns) => WorkerPool.Run(tokens, t =>
    {
        ReadOnlySpan<float> g = gate.AsSpan(t * columns, columns), u = up.AsSpan(t * columns, columns), d = dh.AsSpan(t * columns, columns);
        Span<float> toGate = dGate.AsSpan(t * columns, columns), toUp = dUp.AsSpan(t * columns, columns);
        int i = 0;
        for (; i <= columns - Lanes; i += Lanes)
        {
            Vector256<float> v = Vector256.Create(g.Slice(i, Lanes)), upstream = Vector256.Create(d.Slice(i, Lanes));
            Vector256<float> sigmoid = VectorContract.Sigmoid(v);
            Vector256<float> slope = sigmoid * (Vector256<float>.One + v * (Vector256<float>.One - sigmoid));
            (upstream * Vector256.Create(u.Slice(i, Lanes)) * slope).CopyTo(toGate[i..]);
            (upstream * (v * sigmoid)).CopyTo(toUp[i..]);
        }

        for (; i < columns; i++)
        {
            float sigmoid = Sigmoid(g[i]);
            toGate[i] = d[i] * u[i] * (sigmoid * (1 + g[i] * (1 - sigmoid)));
            toUp[i] = d[i] * (g[i] * sigmoid);
        }
    });

    /// <summary>h = max(u, 0).</summary>
    public static void Relu(float[] up, float[] h, int tokens, int columns) => WorkerPool.Run(tokens, t =>
    {
        for (int i = t * columns, end = i + columns; i < end; i++)
        {
            h[i] = MathF.Max(up[i], 0);
        }
    });

    /// <summary>du = dh where u &gt; 0.</summary>
    public static void ReluBackward(float[] up, float[] dh, float[] dUp, int tokens, int columns) => WorkerPool.Run(tokens, t =>
    {
        for (int i = t * columns, end = i + columns; i < end; i++)
        {
            dUp[i] = up[i] > 0 ? dh[i] : 0;
        }
    });

    private static float Sigmoid(float g) => Contract.Reciprocal(1 + Contract.Exp(-g));
}

using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>How a gradient passes back through an activation, eight lanes.</summary>
internal interface IActivationSlope
{
    /// <summary>upstream · f′(x).</summary>
    static abstract Vector256<float> Through(Vector256<float> x, Vector256<float> upstream);
}

/// <summary>The non-linearity of the MLP with gradients: h = f(g)·u, or h = f(u); the values are the runtime's.</summary>
internal static class TrainingActivation
{
    private const int Lanes = VectorContract.Lanes;

    /// <summary>h = f(g)·u.</summary>
    public static void Gate(ActivationKind kind, float[] gate, float[] up, float[] h, int tokens, int columns) =>
        WorkerPool.Run(tokens, t => Activation.Gate(kind, Row(gate, t, columns), Row(up, t, columns), Row(h, t, columns)));

    /// <summary>dg = dh·u·f′(g), du = dh·f(g).</summary>
    public static void GateBackward(ActivationKind kind, float[] gate, float[] up, float[] dh, float[] dGate, float[] dUp, int tokens, int columns) => WorkerPool.Run(tokens, t =>
    {
        Activation.Gate(kind, Row(gate, t, columns), Row(dh, t, columns), Row(dUp, t, columns));
        Slope(kind, Row(gate, t, columns), Row(dh, t, columns), Row(up, t, columns), Row(dGate, t, columns));
    });

    /// <summary>h = f(u).</summary>
    public static void Apply(ActivationKind kind, float[] up, float[] h, int tokens, int columns) =>
        WorkerPool.Run(tokens, t => Activation.Apply(kind, Row(up, t, columns), Row(h, t, columns)));

    /// <summary>du = dh·f′(u).</summary>
    public static void ApplyBackward(ActivationKind kind, float[] up, float[] dh, float[] dUp, int tokens, int columns) =>
        WorkerPool.Run(tokens, t => Slope(kind, Row(up, t, columns), Row(dh, t, columns), default, Row(dUp, t, columns)));

    private static Span<float> Row(float[] values, int token, int columns) => values.AsSpan(token * columns, columns);

    private static void Slope(ActivationKind kind, ReadOnlySpan<float> x, ReadOnlySpan<float> upstream, ReadOnlySpan<float> factor, Span<float> result)
    {
        switch (kind)
        {
            case ActivationKind.Relu: Run<Relu>(x, upstream, factor, result); break;
            case ActivationKind.SquaredRelu: Run<SquaredRelu>(x, upstream, factor, result); break;
            case ActivationKind.Silu: Run<Silu>(x, upstream, factor, result); break;
            case ActivationKind.GeluTanh: Run<GeluTanh>(x, upstream, factor, result); break;
            default: Run<GeluErf>(x, upstream, factor, result); break;
        }
    }

    /// <summary>result = upstream · factor · f′(x), without a factor where there is none.</summary>
    private static void Run<TSlope>(ReadOnlySpan<float> x, ReadOnlySpan<float> upstream, ReadOnlySpan<float> factor, Span<float> result)
        where TSlope : IActivationSlope
    {
        Span<float> rest = stackalloc float[Lanes];
        for (int i = 0; i < x.Length; i += Lanes)
        {
            int length = Math.Min(Lanes, x.Length - i);
            Vector256<float> d = Load(upstream.Slice(i, length), rest);
            d = factor.IsEmpty ? d : d * Load(factor.Slice(i, length), rest);
            Vector256<float> through = TSlope.Through(Load(x.Slice(i, length), rest), d);
            if (length == Lanes)
            {
                through.CopyTo(result[i..]);
            }
            else
            {
                through.CopyTo(rest);
                rest[..length].CopyTo(result[i..]);
            }
        }
    }

    private static Vector256<float> Load(ReadOnlySpan<float> values, Span<float> rest)
    {
        if (values.Length == Lanes)
        {
            return Vector256.Create(values);
        }

        rest.Clear();
        values.CopyTo(rest);
        return Vector256.Create<float>(rest);
    }

    private readonly struct Relu : IActivationSlope
    {
        public static Vector256<float> Through(Vector256<float> x, Vector256<float> upstream) => upstream & Vector256.GreaterThan(x, Vector256<float>.Zero);
    }

    // 2·max(x, 0).
    private readonly struct SquaredRelu : IActivationSlope
    {
        public static Vector256<float> Through(Vector256<float> x, Vector256<float> upstream) => upstream * (x + x) & Vector256.GreaterThan(x, Vector256<float>.Zero);
    }

    // σ·(1 + x·(1 − σ)).
    private readonly struct Silu : IActivationSlope
    {
        public static Vector256<float> Through(Vector256<float> x, Vector256<float> upstream)
        {
            Vector256<float> sigmoid = VectorContract.Sigmoid(x);
            return upstream * (sigmoid * (Vector256<float>.One + x * (Vector256<float>.One - sigmoid)));
        }
    }

    // f = x·σ(z), z = c·(x + a·x³): σ + x·σ·(1 − σ)·c·(1 + 3a·x²).
    private readonly struct GeluTanh : IActivationSlope
    {
        public static Vector256<float> Through(Vector256<float> x, Vector256<float> upstream)
        {
            Vector256<float> one = Vector256<float>.One, c = Vector256.Create(1.5957691f), square = x * x;
            Vector256<float> sigmoid = VectorContract.Sigmoid((x + Vector256.Create(0.044715f) * (square * x)) * c);
            return upstream * (sigmoid + x * (sigmoid * (one - sigmoid)) * (c * (one + Vector256.Create(0.134145f) * square)));
        }
    }

    // Φ(x) + x·φ(x).
    private readonly struct GeluErf : IActivationSlope
    {
        public static Vector256<float> Through(Vector256<float> x, Vector256<float> upstream)
        {
            Vector256<float> density = Vector256.Create(0.39894228f) * VectorContract.Exp(Vector256.Create(-0.5f) * (x * x));
            return upstream * (VectorContract.NormalDistribution(x) + x * density);
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Reference.Operations;

/// <summary>An activation, of one value and of eight and sixteen lanes, not yet canonical.</summary>
internal interface IActivation
{
    static abstract float Apply(float x);

    static abstract Vector256<float> Apply(Vector256<float> x);

    static abstract Vector512<float> Apply(Vector512<float> x);
}

/// <summary>The activations of MLPs, alone or as the gate of another value (Shazeer, GLU variants).</summary>
internal static class Activation
{
    /// <summary>output = canonical(f(x)), elementwise.</summary>
    /// <param name="kind">f.</param>
    /// <param name="x">Values.</param>
    /// <param name="output">At least as long; may be x.</param>
    public static void Apply(ActivationKind kind, ReadOnlySpan<float> x, Span<float> output)
    {
        switch (kind)
        {
            case ActivationKind.Relu: Run<Relu>(x, default, output); break;
            case ActivationKind.SquaredRelu: Run<SquaredRelu>(x, default, output); break;
            case ActivationKind.Silu: Run<Silu>(x, default, output); break;
            case ActivationKind.GeluTanh: Run<GeluTanh>(x, default, output); break;
            default: Run<GeluErf>(x, default, output); break;
        }
    }

    /// <summary>output = canonical(f(gate) · up), elementwise.</summary>
    /// <param name="kind">f.</param>
    /// <param name="gate">Values.</param>
    /// <param name="up">As many.</param>
    /// <param name="output">At least as long; may be gate or up.</param>
    public static void Gate(ActivationKind kind, ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> output)
    {
        up = up[..gate.Length];
        switch (kind)
        {
            case ActivationKind.Relu: Run<Relu>(gate, up, output); break;
            case ActivationKind.SquaredRelu: Run<SquaredRelu>(gate, up, output); break;
            case ActivationKind.Silu: Run<Silu>(gate, up, output); break;
            case ActivationKind.GeluTanh: Run<GeluTanh>(gate, up, output); break;
            default: Run<GeluErf>(gate, up, output); break;
        }
    }

    /// <summary>Rows whose first half is the gate and whose second half is up: output[r] = f(gate[r])·up[r].</summary>
    /// <param name="kind">f.</param>
    /// <param name="gateUp">rows × 2·columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns of the output.</param>
    /// <param name="output">rows × columns.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static unsafe void GateRows(ActivationKind kind, ReadOnlySpan<float> gateUp, int rows, int columns, Span<float> output)
    {
        if (gateUp.Length < 2L * rows * columns || output.Length < (long)rows * columns)
        {
            throw new ArgumentException($"{rows} rows of {columns} do not fit the operands.");
        }

        fixed (float* source = gateUp, target = output)
        {
            float* from = source, to = target;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                for (int row = first; row < first + count; row++)
                {
                    float* gate = from + 2L * row * columns;
                    Gate(kind, new ReadOnlySpan<float>(gate, columns), new ReadOnlySpan<float>(gate + columns, columns), new Span<float>(to + (long)row * columns, columns));
                }
            });
        }
    }

    /// <summary>f(x), times up where there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TActivation>(ReadOnlySpan<float> x, ReadOnlySpan<float> up, Span<float> output)
        where TActivation : IActivation
    {
        output = output[..x.Length];
        int i = 0;
        for (; Vector512.IsHardwareAccelerated && i <= x.Length - VectorContract.WideLanes; i += VectorContract.WideLanes)
        {
            Vector512<float> v = TActivation.Apply(Vector512.Create(x.Slice(i, VectorContract.WideLanes)));
            v = up.IsEmpty ? v : v * Vector512.Create(up.Slice(i, VectorContract.WideLanes));
            VectorContract.Canonical(v).CopyTo(output[i..]);
        }

        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = TActivation.Apply(Vector256.Create(x.Slice(i, 8)));
            v = up.IsEmpty ? v : v * Vector256.Create(up.Slice(i, 8));
            VectorContract.Canonical(v).CopyTo(output[i..]);
        }

        for (; i < x.Length; i++)
        {
            float v = TActivation.Apply(x[i]);
            output[i] = Contract.Canonical(up.IsEmpty ? v : v * up[i]);
        }
    }

    private readonly struct Relu : IActivation
    {
        public static float Apply(float x) => x >= Contract.Tiny ? x : 0f;

        public static Vector256<float> Apply(Vector256<float> x) => x & Vector256.GreaterThanOrEqual(x, Vector256.Create(Contract.Tiny));

        public static Vector512<float> Apply(Vector512<float> x) => Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(x, Vector512.Create(Contract.Tiny)), x, Vector512<float>.Zero);
    }

    private readonly struct SquaredRelu : IActivation
    {
        public static float Apply(float x) => Relu.Apply(x) * Relu.Apply(x);

        public static Vector256<float> Apply(Vector256<float> x) => Relu.Apply(x) * Relu.Apply(x);

        public static Vector512<float> Apply(Vector512<float> x) => Relu.Apply(x) * Relu.Apply(x);
    }

    private readonly struct Silu : IActivation
    {
        public static float Apply(float x) => x * Contract.Sigmoid(x);

        public static Vector256<float> Apply(Vector256<float> x) => x * VectorContract.Sigmoid(x);

        public static Vector512<float> Apply(Vector512<float> x) => x * VectorContract.Sigmoid(x);
    }

    // ½·(1 + tanh a) is the sigmoid of 2a: one exponential, and no digits lost for negative x. 2·√(2/π) = 1.5957691.
    private readonly struct GeluTanh : IActivation
    {
        public static float Apply(float x) => x * Contract.Sigmoid((x + 0.044715f * (x * x * x)) * 1.5957691f);

        public static Vector256<float> Apply(Vector256<float> x) => x * VectorContract.Sigmoid((x + Vector256.Create(0.044715f) * (x * x * x)) * Vector256.Create(1.5957691f));

        public static Vector512<float> Apply(Vector512<float> x) => x * VectorContract.Sigmoid((x + Vector512.Create(0.044715f) * (x * x * x)) * Vector512.Create(1.5957691f));
    }

    private readonly struct GeluErf : IActivation
    {
        public static float Apply(float x) => x * Contract.NormalDistribution(x);

        public static Vector256<float> Apply(Vector256<float> x) => x * VectorContract.NormalDistribution(x);

        public static Vector512<float> Apply(Vector512<float> x) => x * VectorContract.NormalDistribution(x);
    }
}

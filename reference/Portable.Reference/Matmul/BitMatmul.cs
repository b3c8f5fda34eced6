using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Reference.Matmul;

/// <summary>Arbitrary-bit matrix multiplication of packed weights with quantized activations.</summary>
public static unsafe class BitMatmul
{
    /// <summary>Exact integers of the raw codes, without zero points.</summary>
    /// <param name="x">M×K activations in the weights' layout.</param>
    /// <param name="w">N×K weights.</param>
    /// <param name="acc">Σ over each group, [(group × M + m) × N + n]; of the low digit for 16-bit activations.</param>
    /// <param name="accHigh">The same of the high digit for 16-bit activations, otherwise empty.</param>
    /// <param name="kernel">A kernel by name, or null for the best (or the one that <c>PORTABLE_KERNEL</c> names).</param>
    /// <exception cref="ArgumentException">Sums could overflow, layouts differ, or a buffer is too short.</exception>
    /// <exception cref="KernelException">The named kernel is unknown or cannot serve.</exception>
    public static void Accumulate(QuantizedActivations x, BitPlaneMatrix w, Span<int> acc, Span<int> accHigh, string? kernel = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(w);
        Accumulate(x, w, acc, accHigh, KernelTable.Select(Shape(x, w), kernel));
    }

    /// <summary>The same with a kernel that need not be in the table.</summary>
    internal static void Accumulate(QuantizedActivations x, BitPlaneMatrix w, Span<int> acc, Span<int> accHigh, MatmulKernel kernel)
    {
        MatmulShape shape = Shape(x, w);
        long expected = (long)shape.Rows * shape.Channels * shape.Layout.Groups;
        if (acc.Length < expected || (x.HighDigits is not null && accHigh.Length < expected))
        {
            throw new ArgumentException($"{expected} sums do not fit the buffers ({acc.Length}, {accHigh.Length}).", nameof(acc));
        }

        fixed (int* low = acc, high = accHigh)
        {
            MatmulDriver.Run(x, kernel, [new MatmulPart(w, new IntegerSink(x, w, kernel, low, high))]);
        }
    }

    /// <summary>The whole linear layer with the contract's epilogue (groups ascending, then bias, then canonical).</summary>
    /// <param name="x">M×K' activations.</param>
    /// <param name="w">The layer.</param>
    /// <param name="y">Output, y[m × yStride + n].</param>
    /// <param name="yStride">Elements from one output row to the next, at least N.</param>
    /// <param name="kernel">A kernel by name, or null for the best (or the one that <c>PORTABLE_KERNEL</c> names).</param>
    /// <exception cref="ArgumentException">Sums could overflow, layouts differ, or the output is too short.</exception>
    /// <exception cref="KernelException">The named kernel is unknown or cannot serve.</exception>
    public static void Multiply(QuantizedActivations x, QuantizedLinear w, Span<float> y, int yStride, string? kernel = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(w);
        Multiply(x, w, y, yStride, KernelTable.Select(Shape(x, w.Weights), kernel));
    }

    /// <summary>The same with a kernel that need not be in the table.</summary>
    internal static void Multiply(QuantizedActivations x, QuantizedLinear w, Span<float> y, int yStride, MatmulKernel kernel)
    {
        MatmulShape shape = Shape(x, w.Weights);
        if (yStride < shape.Channels || y.Length < (long)(shape.Rows - 1) * yStride + shape.Channels)
        {
            throw new ArgumentException($"{shape.Rows}×{shape.Channels} outputs with stride {yStride} do not fit {y.Length} elements.", nameof(y));
        }

        fixed (float* output = y)
        {
            MatmulDriver.Run(x, kernel, [new MatmulPart(w.Weights, new LinearSink(x, w, kernel, output, yStride))]);
        }
    }

    /// <summary>Linear layers that read one input, their outputs side by side: the activations are packed, and threads meet, once for all that a kernel serves.</summary>
    /// <param name="x">M×K' activations.</param>
    /// <param name="layers">The layers.</param>
    /// <param name="y">Output, y[m × yStride + n], n over all layers in their order.</param>
    /// <param name="yStride">Elements from one output row to the next, at least all layers' channels.</param>
    /// <exception cref="ArgumentException">Sums could overflow, layouts differ, or the output is too short.</exception>
    public static void Multiply(QuantizedActivations x, ReadOnlySpan<QuantizedLinear> layers, Span<float> y, int yStride)
    {
        ArgumentNullException.ThrowIfNull(x);
        int channels = 0;
        foreach (QuantizedLinear layer in layers)
        {
            channels += layer.OutputFeatures;
        }

        if (yStride < channels || y.Length < (long)(x.Rows - 1) * yStride + channels)
        {
            throw new ArgumentException($"{x.Rows}×{channels} outputs with stride {yStride} do not fit {y.Length} elements.", nameof(y));
        }

        fixed (float* output = y)
        {
            float* target = output;
            MatmulPart[] parts = new MatmulPart[layers.Length];
            for (int first = 0, end; first < layers.Length; first = end)
            {
                MatmulKernel kernel = KernelTable.Select(Shape(x, layers[first].Weights));
                for (end = first; end < layers.Length && (end == first || KernelTable.Select(Shape(x, layers[end].Weights)) == kernel); end++)
                {
                    parts[end] = new MatmulPart(layers[end].Weights, new LinearSink(x, layers[end], kernel, target, yStride));
                    target += layers[end].OutputFeatures;
                }

                MatmulDriver.Run(x, kernel, parts.AsSpan(first, end - first));
            }
        }
    }

    private static MatmulShape Shape(QuantizedActivations x, BitPlaneMatrix w) => new(x.Rows, w.Rows, w.Layout, w.Format, x.Format) { BaseFive = w.BaseFive is not null };
}

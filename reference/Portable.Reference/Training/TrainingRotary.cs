using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// Rotary positions of half-split pairs (i, i + pairs), forward and backward: a rotation times a factor, so backward is its
/// transpose. Channels behind the pairs stay as they are.
/// </summary>
/// <param name="table">Angles; positions 0 … T − 1 are used.</param>
internal sealed class TrainingRotary(RotaryTable table)
{
    /// <summary>Rotates every head of tokens 0 … <paramref name="tokens"/> − 1 in place.</summary>
    /// <param name="x">[token × heads × head size].</param>
    /// <param name="tokens">T.</param>
    /// <param name="heads">Heads per token.</param>
    /// <param name="headSize">d.</param>
    /// <param name="queries">Whether the heads are queries, whose cosines and sines may have a factor of their own.</param>
    /// <param name="backward">True: the transposed rotation.</param>
    public void Apply(float[] x, int tokens, int heads, int headSize, bool queries, bool backward)
    {
        int half = table.Half;
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> cos = queries ? table.QueryCosine(t) : table.Cosine(t), sin = queries ? table.QuerySine(t) : table.Sine(t);
            for (int h = 0; h < heads; h++)
            {
                Span<float> a = x.AsSpan((t * heads + h) * headSize, half), b = x.AsSpan((t * heads + h) * headSize + half, half);
                for (int i = 0; i < half; i++)
                {
                    float s = backward ? -sin[i] : sin[i], left = a[i], right = b[i];
                    a[i] = left * cos[i] - right * s;
                    b[i] = right * cos[i] + left * s;
                }
            }
        });
    }
}

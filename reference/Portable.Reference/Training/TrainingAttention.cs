using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Blocks;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// Causal attention of one sequence with grouped key and value heads, and its gradients. Heads are independent pieces of
/// work; inside a head, runs of 128 queries meet only the keys that they can see.
/// </summary>
/// <remarks>
/// P = softmax(scale·q·kᵀ) over the keys that token t sees (0 … t, or the last of them that a window leaves), o = P·v. Backward:
/// dV = Pᵀ·dO, dP = dO·vᵀ (+ a gradient on the mean over heads of P), dS = P∘(dP − Σ P∘dP), dQ = scale·dS·k, dK = scale·dSᵀ·q.
/// With a softcap, S = c·tanh(scale·q·kᵀ/c) and dS is multiplied by 1 − (S/c)². Heads of one group add their dK and dV in head order.
/// </remarks>
internal sealed class TrainingAttention
{
    private const int Chunk = 128;
    private readonly AttentionLayout _layout;
    private readonly int _heads, _keyValueHeads, _size;
    private readonly float _scale, _softcap;
    private readonly HeadBuffers[] _buffers;

    /// <summary>Allocates the buffers of every head.</summary>
    /// <param name="layout">Heads and how they attend.</param>
    /// <param name="tokens">The longest sequence T.</param>
    public TrainingAttention(AttentionLayout layout, int tokens)
    {
        (_layout, _heads, _keyValueHeads, _size, _scale, _softcap) = (layout, layout.Heads, layout.KeyValueHeads, layout.HeadSize, layout.Scale, layout.Softcap);
        _buffers = new HeadBuffers[_heads];
        for (int h = 0; h < _heads; h++)
        {
            _buffers[h] = new HeadBuffers(tokens, _size, capped: _softcap != 0);
        }
    }

    /// <summary>o of <paramref name="count"/> tokens; keeps the probabilities.</summary>
    /// <param name="q">[token × heads × d].</param>
    /// <param name="k">[token × KV heads × d].</param>
    /// <param name="v">Like <paramref name="k"/>.</param>
    /// <param name="o">Like <paramref name="q"/>.</param>
    /// <param name="count">Tokens, at most the buffers' T.</param>
    public void Forward(float[] q, float[] k, float[] v, float[] o, int count) => WorkerPool.Run(_heads, h =>
    {
        HeadBuffers b = _buffers[h];
        int shared = h / (_heads / _keyValueHeads);
        Gather(q, b.Q, count, _heads, h);
        Gather(k, b.K, count, _keyValueHeads, shared);
        Gather(v, b.V, count, _keyValueHeads, shared);
        for (int first = 0; first < count; first += Chunk)
        {
            int rows = Math.Min(Chunk, count - first), keys = first + rows;
            Span<float> p = b.Rows(first, rows, keys);
            FloatGemm.Multiply(b.Q.AsSpan(first * _size, rows * _size), b.K.AsSpan(0, keys * _size), p, rows, keys, _size);
            for (int r = 0; r < rows; r++)
            {
                Softmax(p.Slice(r * keys, keys), first + r, _softcap == 0 ? default : b.CapSlopes(first, rows, keys).Slice(r * keys, keys));
            }

            FloatGemm.MultiplyNN(p, b.V.AsSpan(0, keys * _size), b.Work.AsSpan(0, rows * _size), rows, _size, keys);
            for (int r = 0; r < rows; r++)
            {
                b.Work.AsSpan(r * _size, _size).CopyTo(o.AsSpan(((first + r) * _heads + h) * _size));
            }
        }
    });

    /// <summary>Mean over heads of the probabilities of the last forward pass.</summary>
    /// <param name="mean">[query × count + key]; 0 above the diagonal.</param>
    /// <param name="count">Tokens of that pass.</param>
    public void MeanProbabilities(float[] mean, int count) => WorkerPool.Run(count, t =>
    {
        Span<float> row = mean.AsSpan(t * count, count);
        row.Clear();
        foreach (HeadBuffers b in _buffers)
        {
            TensorPrimitives.Add(row[..(t + 1)], b.Row(t, count)[..(t + 1)], row[..(t + 1)]);
        }

        TensorPrimitives.Multiply(row, 1f / _heads, row);
    });

    /// <summary>Gradients of the last forward pass.</summary>
    /// <param name="dO">∂/∂o.</param>
    /// <param name="dMean">∂/∂ mean probabilities, [query × count + key], or null.</param>
    /// <param name="dQ">Overwritten.</param>
    /// <param name="dK">Overwritten.</param>
    /// <param name="dV">Overwritten.</param>
    /// <param name="count">Tokens of that pass.</param>
    public void Backward(float[] dO, float[]? dMean, float[] dQ, float[] dK, float[] dV, int count)
    {
        WorkerPool.Run(_heads, h => BackwardHead(h, dO, dMean, dQ, count));
        int group = _heads / _keyValueHeads;
        WorkerPool.Run(count, t =>
        {
            for (int shared = 0; shared < _keyValueHeads; shared++)
            {
                Span<float> toKey = dK.AsSpan((t * _keyValueHeads + shared) * _size, _size), toValue = dV.AsSpan((t * _keyValueHeads + shared) * _size, _size);
                toKey.Clear();
                toValue.Clear();
                for (int h = shared * group; h < (shared + 1) * group; h++)
                {
                    TensorPrimitives.Add(toKey, _buffers[h].DK.AsSpan(t * _size, _size), toKey);
                    TensorPrimitives.Add(toValue, _buffers[h].DV.AsSpan(t * _size, _size), toValue);
                }
            }
        });
    }

    private void BackwardHead(int h, float[] dO, float[]? dMean, float[] dQ, int count)
    {
        HeadBuffers b = _buffers[h];
        Gather(dO, b.DO, count, _heads, h);
        Array.Clear(b.DK);
        Array.Clear(b.DV);
        for (int first = 0; first < count; first += Chunk)
        {
            int rows = Math.Min(Chunk, count - first), keys = first + rows;
            ReadOnlySpan<float> p = b.Rows(first, rows, keys), upstream = b.DO.AsSpan(first * _size, rows * _size);
            FloatGemm.MultiplyTN(p, upstream, b.Work.AsSpan(0, keys * _size), keys, _size, rows);
            TensorPrimitives.Add(b.DV.AsSpan(0, keys * _size), b.Work.AsSpan(0, keys * _size), b.DV.AsSpan(0, keys * _size));

            Span<float> d = b.DP.AsSpan(0, rows * keys), extra = b.Extra.AsSpan(0, keys);
            FloatGemm.Multiply(upstream, b.V.AsSpan(0, keys * _size), d, rows, keys, _size);
            for (int r = 0; r < rows; r++)
            {
                Span<float> row = d.Slice(r * keys, keys);
                if (dMean is not null)
                {
                    TensorPrimitives.Multiply(dMean.AsSpan((first + r) * count, keys), 1f / _heads, extra);
                    TensorPrimitives.Add(row, extra, row);
                }

                ReadOnlySpan<float> probabilities = p.Slice(r * keys, keys);
                float along = RowMath.Dot(row, probabilities);
                TensorPrimitives.Subtract(row, along, row);
                TensorPrimitives.Multiply(row, probabilities, row);
                TensorPrimitives.Multiply(row, _scale, row);
                if (_softcap != 0)
                {
                    TensorPrimitives.Multiply(row, b.CapSlopes(first, rows, keys).Slice(r * keys, keys), row);
                }
            }

            FloatGemm.MultiplyNN(d, b.K.AsSpan(0, keys * _size), b.Work.AsSpan(0, rows * _size), rows, _size, keys);
            for (int r = 0; r < rows; r++)
            {
                b.Work.AsSpan(r * _size, _size).CopyTo(dQ.AsSpan(((first + r) * _heads + h) * _size));
            }

            FloatGemm.MultiplyTN(d, b.Q.AsSpan(first * _size, rows * _size), b.Work.AsSpan(0, keys * _size), keys, _size, rows);
            TensorPrimitives.Add(b.DK.AsSpan(0, keys * _size), b.Work.AsSpan(0, keys * _size), b.DK.AsSpan(0, keys * _size));
        }
    }

    /// <summary>Products to probabilities in place, 0 for what the token does not see.</summary>
    private void Softmax(Span<float> row, int token, Span<float> capSlopes)
    {
        int begin = _layout.FirstSeen(token);
        row[..begin].Clear();
        row[(token + 1)..].Clear();
        Span<float> seen = row[begin..(token + 1)];
        float scale = _scale;
        if (_softcap != 0)
        {
            // Capped scores stand in for products, so nothing is left to scale.
            capSlopes.Clear();
            Cap(seen, capSlopes[begin..(token + 1)]);
            scale = 1;
        }

        float maximum = TensorPrimitives.Max<float>(seen) * scale;
        int k = 0;
        for (; k <= seen.Length - VectorContract.Lanes; k += VectorContract.Lanes)
        {
            VectorContract.Exp(Vector256.Create(seen.Slice(k, VectorContract.Lanes)) * Vector256.Create(scale) - Vector256.Create(maximum)).CopyTo(seen[k..]);
        }

        for (; k < seen.Length; k++)
        {
            seen[k] = Contract.Exp(seen[k] * scale - maximum);
        }

        TensorPrimitives.Multiply(seen, 1f / RowMath.Sum(seen), seen);
    }

    /// <summary>s = c·tanh(s/c), and its slope 1 − tanh².</summary>
    private void Cap(Span<float> products, Span<float> slopes)
    {
        float inverse = 1f / _softcap;
        for (int k = 0; k < products.Length; k++)
        {
            float tanh = Contract.Tanh(products[k] * _scale * inverse);
            products[k] = _softcap * tanh;
            slopes[k] = 1 - tanh * tanh;
        }
    }

    private void Gather(float[] source, float[] head, int count, int heads, int h)
    {
        for (int t = 0; t < count; t++)
        {
            source.AsSpan((t * heads + h) * _size, _size).CopyTo(head.AsSpan(t * _size));
        }
    }

    private sealed class HeadBuffers(int tokens, int size, bool capped)
    {
        private readonly float[] _probabilities = new float[tokens * tokens];
        private readonly float[] _capSlopes = new float[capped ? tokens * tokens : 0];

        public float[] Q { get; } = new float[tokens * size];

        public float[] K { get; } = new float[tokens * size];

        public float[] V { get; } = new float[tokens * size];

        public float[] DO { get; } = new float[tokens * size];

        public float[] DK { get; } = new float[tokens * size];

        public float[] DV { get; } = new float[tokens * size];

        public float[] Work { get; } = new float[tokens * size];

        public float[] Extra { get; } = new float[tokens];

        public float[] DP { get; } = new float[Math.Min(Chunk, tokens) * tokens];

        /// <summary>Probabilities of a run of queries over the keys up to its last: rows × keys, dense.</summary>
        public Span<float> Rows(int first, int rows, int keys) => _probabilities.AsSpan(first * tokens, rows * keys);

        /// <summary>Slopes of the softcap, likewise.</summary>
        public Span<float> CapSlopes(int first, int rows, int keys) => _capSlopes.AsSpan(first * tokens, rows * keys);

        /// <summary>Probabilities of one query.</summary>
        public ReadOnlySpan<float> Row(int t, int count)
        {
            int first = t / Chunk * Chunk, keys = Math.Min(first + Chunk, count);
            return _probabilities.AsSpan(first * tokens + (t - first) * keys, keys);
        }
    }
}

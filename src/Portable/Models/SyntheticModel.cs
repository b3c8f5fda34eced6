using System.Numerics;
using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Models;

/// <summary>
/// A model of a given shape with random quantized weights: as large and as fast as a real one, and as silly as it gets. The
/// weights of every block are its own, so that no cache makes it faster than a real model.
/// </summary>
/// <param name="config">The shape.</param>
/// <param name="scheme">The scheme of every linear. With groups, weights and activations are symmetric and share them (as FlexQ does); otherwise weights are asymmetric per channel and activations symmetric per token.</param>
/// <param name="seed">Seed of the weights.</param>
public sealed class SyntheticModel(ModelConfig config, QuantizationScheme scheme, int seed = 0) : IModelSource
{
    /// <inheritdoc/>
    public ModelConfig Config => config;

    /// <inheritdoc/>
    public int KeyValueBits => scheme.KeyValueBits;

    /// <inheritdoc/>
    public FloatTable LoadEmbedding() => CreateTable(config.VocabularySize, 1);

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => config.Family == ModelFamily.Opt ? CreateTable(config.MaximumPositions + config.PositionOffset, 2) : null;

    /// <inheritdoc/>
    public FloatTable? LoadHead() => config.TiedEmbeddings ? null : CreateTable(config.VocabularySize, 3);

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => CreateNorm();

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        bool opt = config.Family == ModelFamily.Opt;
        string prefix = opt ? $"model.decoder.layers.{index}." : $"model.layers.{index}.", mlp = opt ? prefix : prefix + "mlp.";
        ulong part = 0;
        LinearWeights Linear(string name, int rows, int columns) => CreateLinear(name, rows, columns, Start((ulong)index + 1, part++));
        return new BlockWeights
        {
            AttentionNorm = CreateNorm(),
            Query = Linear(prefix + "self_attn.q_proj", config.QueryWidth, config.HiddenSize),
            Key = Linear(prefix + "self_attn.k_proj", config.KeyValueWidth, config.HiddenSize),
            Value = Linear(prefix + "self_attn.v_proj", config.KeyValueWidth, config.HiddenSize),
            Output = Linear(prefix + (opt ? "self_attn.out_proj" : "self_attn.o_proj"), config.HiddenSize, config.QueryWidth),
            MlpNorm = CreateNorm(),
            Gate = opt ? null : Linear(mlp + "gate_proj", config.IntermediateSize, config.HiddenSize),
            Up = Linear(mlp + (opt ? "fc1" : "up_proj"), config.IntermediateSize, config.HiddenSize),
            Down = Linear(mlp + (opt ? "fc2" : "down_proj"), config.HiddenSize, config.IntermediateSize),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>The first counter of a part: parts lie 2^52 words apart, seeds and blocks further.</summary>
    private ulong Start(ulong block, ulong part) => ((ulong)(uint)seed * 0xD1342543DE82EF95) + (block << 56) + (part << 52);

    private LinearWeights CreateLinear(string name, int rows, int columns, ulong start)
    {
        bool symmetric = scheme.GroupSize > 0;
        var layout = new GroupLayout(columns, scheme.GroupSize);
        var format = symmetric ? new CodeFormat(scheme.WeightBits, signed: true) : scheme.WeightFormat;
        int levels = scheme.LargestWeightCode + 1;
        float[] scales = new float[rows * layout.Groups];
        // Outputs of unit inputs keep a size of about one: the codes are uniform, of standard deviation levels / √12.
        Array.Fill(scales, MathF.Sqrt(12f / columns) / levels);
        byte[]? zeros = symmetric ? null : new byte[scales.Length];
        if (zeros is not null)
        {
            for (int i = 0; i < zeros.Length; i++)
            {
                zeros[i] = (byte)((levels / 2) - (levels % 2 == 0 ? i & 1 : 0));
            }
        }

        float[]? bias = config.Family == ModelFamily.Opt ? new float[rows] : null;
        var input = new ActivationQuantizer(new CodeFormat(scheme.ActivationBits, signed: true), ActivationMode.Symmetric, scheme.GroupSize);
        return new LinearWeights
        {
            Name = name,
            Quantized = new QuantizedLinear(CreateMatrix(rows, layout, format, start), scales, zeros, bias, input),
            Scheme = scheme.Layer.ToString(),
        };
    }

    private BitPlaneMatrix CreateMatrix(int rows, GroupLayout layout, CodeFormat format, ulong start)
    {
        ulong[] words = new ulong[BitPlaneMatrix.WordCount(rows, layout, format)];
        int[] sums = new int[rows * layout.Groups];
        int rowWords = layout.Blocks * format.Bits;
        WorkerPool.Run(rows, row =>
        {
            Span<ulong> own = words.AsSpan(row * rowWords, rowWords);
            Fill(own, start + ((ulong)row << 32));
            for (int group = 0; group < layout.Groups; group++)
            {
                int columns = layout.ColumnsIn(group), sum = 0;
                for (int block = layout.FirstBlock(group); block < layout.EndBlock(group); block++, columns -= GroupLayout.BlockSize)
                {
                    ulong mask = columns >= GroupLayout.BlockSize ? ulong.MaxValue : (1UL << columns) - 1;
                    sum += Trim(own.Slice(block * format.Bits, format.Bits), mask, format);
                }

                sums[(row * layout.Groups) + group] = sum;
            }
        });
        return new BitPlaneMatrix(rows, layout, format, words, sums);
    }

    /// <summary>SplitMix64 over a counter: any row can be made on its own.</summary>
    private static void Fill(Span<ulong> words, ulong counter)
    {
        for (int i = 0; i < words.Length; i++)
        {
            ulong z = (counter + (ulong)i) * 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            words[i] = z ^ (z >> 31);
        }
    }

    /// <summary>Clears the padding of a block, keeps W2* within its five levels, and sums the codes.</summary>
    private int Trim(Span<ulong> planes, ulong mask, CodeFormat format)
    {
        int sum = 0;
        if (scheme.Balanced)
        {
            planes[2] &= ~(planes[0] | planes[1]);
        }

        for (int plane = 0; plane < planes.Length; plane++)
        {
            planes[plane] &= mask;
            sum += format.PlaneWeight(plane) * BitOperations.PopCount(planes[plane]);
        }

        return sum;
    }

    private FloatTable CreateTable(int rows, ulong part)
    {
        byte[] data = new byte[checked(2 * rows * config.HiddenSize)];
        Fill(MemoryMarshal.Cast<byte, ulong>(data.AsSpan()), Start(0, part));
        for (int i = 1; i < data.Length; i += 2)
        {
            // Random sign and mantissa, exponent 2^-6: halves of magnitude 0.016 … 0.031.
            data[i] = (byte)((data[i] & 0x83) | 0x24);
        }

        return new FloatTable(rows, config.HiddenSize, ElementType.Float16, data);
    }

    private NormWeights CreateNorm()
    {
        float[] gain = new float[config.HiddenSize];
        Array.Fill(gain, 1f);
        return new NormWeights(gain, config.Family == ModelFamily.Opt ? new float[config.HiddenSize] : null);
    }
}

using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Models;

/// <summary>A float model of a given shape with random halves: as large as a real one, for benchmarks of what makes quantized ones.</summary>
/// <param name="config">The shape.</param>
internal sealed class SyntheticFloats(ModelConfig config) : IModelSource
{
    /// <inheritdoc/>
    public ModelConfig Config => config;

    /// <inheritdoc/>
    public int KeyValueBits => 32;

    /// <inheritdoc/>
    public TableWeights LoadEmbedding() => new(CreateTable(config.VocabularySize, config.HiddenSize, 0, 1));

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => config.LearnedPositionOffset is { } offset ? CreateTable(config.MaximumPositions + offset, config.HiddenSize, 0, 2) : null;

    /// <inheritdoc/>
    public TableWeights? LoadHead() => config.TiedEmbeddings ? null : new TableWeights(CreateTable(config.VocabularySize, config.HiddenSize, 0, 3));

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => CreateNorm(config.HiddenSize, config.FinalNormBias);

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        BlockLayout layout = config.Blocks[index];
        ulong part = 0;
        return BlockWeights.Create(layout, norm => CreateNorm(layout.WidthOf(norm), layout.HasBias(norm)), slot =>
        {
            (int rows, int columns) = layout.SizeOf(slot);
            return new LinearWeights
            {
                Name = FormattableString.Invariant($"model.layers.{index}.{slot}"),
                Float = CreateTable(rows, columns, (ulong)index + 1, part++),
                Bias = layout.HasBias(slot) ? new float[rows] : null,
            };
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static FloatTable CreateTable(int rows, int columns, ulong block, ulong part)
    {
        byte[] data = new byte[checked(2 * rows * columns + 7) / 8 * 8];
        SyntheticLinear.Fill(MemoryMarshal.Cast<byte, ulong>(data.AsSpan()), (block << 56) + (part << 52));
        for (int i = 1; i < data.Length; i += 2)
        {
            // Random sign and mantissa, exponent 2^-6: halves of magnitude 0.016 … 0.031.
            data[i] = (byte)((data[i] & 0x83) | 0x24);
        }

        return new FloatTable(rows, columns, ElementType.Float16, data.AsMemory(0, 2 * rows * columns));
    }

    private static NormWeights CreateNorm(int width, bool biased)
    {
        float[] gain = new float[width];
        Array.Fill(gain, 1f);
        return new NormWeights(gain, biased ? new float[width] : null);
    }
}

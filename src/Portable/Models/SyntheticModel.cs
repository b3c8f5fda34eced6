using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Models;

/// <summary>
/// A model of a given shape with random quantized weights: as large and as fast as a real one, and as silly as it gets. The
/// weights of every block are its own, so that no cache makes it faster than a real model.
/// </summary>
/// <param name="config">The shape.</param>
/// <param name="scheme">The scheme of every linear, of the cache, and of embedding and head. With groups, weights and activations are symmetric and share them (as FlexQ does); otherwise weights are asymmetric per channel and activations symmetric per token.</param>
/// <param name="seed">Seed of the weights.</param>
/// <param name="tables">Element type of embedding and head, where they are of floats: f16 or bf16.</param>
internal sealed class SyntheticModel(ModelConfig config, QuantizationScheme scheme, int seed = 0, ElementType tables = ElementType.Float16) : IModelSource
{
    /// <inheritdoc/>
    public ModelConfig Config => config;

    /// <inheritdoc/>
    public int KeyValueBits => scheme.KeyValueBits;

    /// <inheritdoc/>
    public TableWeights LoadEmbedding() => CreateVocabulary(1);

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => config.LearnedPositionOffset is { } offset ? CreateTable(config.MaximumPositions + offset, 2) : null;

    /// <inheritdoc/>
    public TableWeights? LoadHead() => config.TiedEmbeddings ? null : CreateVocabulary(3);

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => SyntheticTable.Norm(config.HiddenSize, config.FinalNormBias);

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        BlockLayout layout = config.Blocks[index];
        ulong part = 0;
        return BlockWeights.Create(layout, norm => SyntheticTable.Norm(layout.WidthOf(norm), layout.HasBias(norm)), slot =>
        {
            (int rows, int columns) = layout.SizeOf(slot);
            return new LinearWeights
            {
                Name = FormattableString.Invariant($"blocks.{index}.{slot}"),
                Quantized = SyntheticLinear.Create(rows, columns, scheme, Start((ulong)index + 1, part++), layout.HasBias(slot) ? new float[rows] : null),
                Scheme = scheme.Layer.ToString(),
            };
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>The first counter of a part: parts lie 2^52 words apart, seeds and blocks further.</summary>
    private ulong Start(ulong block, ulong part) => ((ulong)(uint)seed * 0xD1342543DE82EF95) + (block << 56) + (part << 52);

    private TableWeights CreateVocabulary(ulong part) => scheme.Table is { } table
        ? new TableWeights(SyntheticLinear.Create(config.VocabularySize, config.HiddenSize, table, Start(0, part)))
        : new TableWeights(CreateTable(config.VocabularySize, part));

    private FloatTable CreateTable(int rows, ulong part) => SyntheticTable.Halves(rows, config.HiddenSize, Start(0, part), tables);
}

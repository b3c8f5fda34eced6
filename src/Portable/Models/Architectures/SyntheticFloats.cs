using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>A float model of a given shape with random halves: as large as a real one and named like one, for benchmarks of what makes quantized ones.</summary>
/// <param name="config">The shape.</param>
internal sealed class SyntheticFloats(ModelConfig config) : IModelSource
{
    private readonly ModelNames _names = new(config);

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
                Name = _names.Linear(index, slot).Name,
                Float = CreateTable(rows, columns, (ulong)index + 1, part++),
                Bias = layout.HasBias(slot) ? new float[rows] : null,
            };
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static FloatTable CreateTable(int rows, int columns, ulong block, ulong part) => SyntheticTable.Halves(rows, columns, (block << 56) + (part << 52));
}

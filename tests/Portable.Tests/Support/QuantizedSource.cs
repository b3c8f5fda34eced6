using Portable.Models;

namespace Portable.Tests.Support;

/// <summary>A model in memory whose blocks have been quantized; the rest is the float model's. The benchmarks compile it too.</summary>
internal sealed class QuantizedSource(IModelSource model, IReadOnlyList<BlockWeights> blocks, int keyValueBits) : IModelSource
{
    public ModelConfig Config => model.Config;

    public int KeyValueBits => keyValueBits;

    public TableWeights LoadEmbedding() => model.LoadEmbedding();

    public FloatTable? LoadPositions() => model.LoadPositions();

    public BlockWeights LoadBlock(int index) => blocks[index];

    public NormWeights LoadFinalNorm() => model.LoadFinalNorm();

    public TableWeights? LoadHead() => model.LoadHead();

    public void Dispose()
    {
    }
}

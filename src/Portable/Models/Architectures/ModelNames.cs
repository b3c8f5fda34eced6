using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>A linear layer of a block as a checkpoint names it.</summary>
/// <param name="Name">Module name under the architecture's first root, without ".weight".</param>
/// <param name="OutputFeatures">N.</param>
/// <param name="InputFeatures">K.</param>
/// <param name="HasBias">Whether the architecture and config.json give it a bias.</param>
internal sealed record LinearName(string Name, int OutputFeatures, int InputFeatures, bool HasBias);

/// <summary>Rows of a float tensor that hold a linear.</summary>
/// <param name="Name">Module name of the tensor.</param>
/// <param name="FirstRow">The linear's first row.</param>
/// <param name="TensorRows">Rows of the tensor.</param>
internal sealed record LinearSource(string Name, int FirstRow, int TensorRows);

/// <summary>A norm as a checkpoint names it.</summary>
/// <param name="Name">Module name under the architecture's first root, without ".weight".</param>
/// <param name="Width">Values of the gain.</param>
/// <param name="HasBias">Whether there is a bias as well.</param>
internal sealed record NormName(string Name, int Width, bool HasBias);

/// <summary>Names of all parts of one model, with the shapes that its config gives them.</summary>
/// <param name="config">The model.</param>
internal sealed class ModelNames(ModelConfig config)
{
    private readonly TensorNames _names = ArchitectureTable.Of(config).Names;

    /// <summary>The model.</summary>
    public ModelConfig Config => config;

    /// <summary>The prefixes that files may have in place of the first, which is <see cref="Root"/>.</summary>
    public IReadOnlyList<string> Roots => _names.Roots;

    /// <summary>What all names but the head's begin with.</summary>
    public string Root => _names.Roots[0];

    /// <summary>Token embedding.</summary>
    public string Embedding => $"{EmbeddingTable.Name}.weight";

    /// <summary>Token embedding as a linear: what it is where it is quantized, and where it is the head.</summary>
    public LinearName EmbeddingTable => new(Root + _names.Embedding, config.VocabularySize, config.HiddenSize, HasBias: false);

    /// <summary>Head as a linear.</summary>
    public LinearName HeadTable => new(_names.Head, config.VocabularySize, config.HiddenSize, HasBias: false);

    /// <summary>The tables that a scheme's H part quantizes: the embedding, and the head where it is another.</summary>
    public LinearName[] QuantizedTables => config.TiedEmbeddings ? [EmbeddingTable] : [EmbeddingTable, HeadTable];

    /// <summary>Learned positions.</summary>
    public string Positions => $"{Root}{_names.Positions}.weight";

    /// <summary>Head.</summary>
    public string Head => $"{HeadTable.Name}.weight";

    /// <summary>Norm before the head.</summary>
    public NormName FinalNorm => new(Root + _names.FinalNorm, config.HiddenSize, config.FinalNormBias);

    /// <summary>A norm of a block.</summary>
    public NormName Norm(int block, BlockNorm norm) => new(Block(block) + _names.Norms[norm], config.Blocks[block].WidthOf(norm), config.Blocks[block].HasBias(norm));

    /// <summary>A linear of a block.</summary>
    public LinearName Linear(int block, BlockSlot slot)
    {
        (int rows, int columns) = config.Blocks[block].SizeOf(slot);
        return new LinearName(Block(block) + _names.Linears[slot], rows, columns, config.Blocks[block].HasBias(slot));
    }

    /// <summary>Whether 1 is to be added to norms as they are loaded.</summary>
    public bool GainsExceedOne => _names.GainsExceedOne;

    /// <summary>Where a float checkpoint holds a linear.</summary>
    public LinearSource Source(int block, BlockSlot slot)
    {
        LinearName linear = Linear(block, slot);
        if (_names.Fused.FirstOrDefault(f => f.Slots.Contains(slot)) is not { } fused)
        {
            return new LinearSource(linear.Name, 0, linear.OutputFeatures);
        }

        int Rows(IEnumerable<BlockSlot> slots) => slots.Sum(s => config.Blocks[block].SizeOf(s).Rows);
        return new LinearSource(Block(block) + fused.Name, Rows(fused.Slots.TakeWhile(s => s != slot)), Rows(fused.Slots));
    }

    /// <summary>The norms of a block.</summary>
    public IEnumerable<NormName> Norms(int block) => config.Blocks[block].Norms.Select(n => Norm(block, n));

    /// <summary>The linears of a block in the order of the forward pass.</summary>
    public IEnumerable<LinearName> Linears(int block) => config.Blocks[block].Slots.Select(s => Linear(block, s));

    private string Block(int block) => FormattableString.Invariant($"{Root}layers.{block}.");
}

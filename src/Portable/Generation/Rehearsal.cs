using System.Runtime.CompilerServices;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Generation;

/// <summary>What decides which code a model runs.</summary>
/// <param name="Config">Its shape.</param>
/// <param name="Scheme">Its scheme.</param>
/// <param name="Tables">Element type of embedding and head, where they are of floats: f16 or bf16.</param>
internal sealed record ModelKind(ModelConfig Config, QuantizationScheme Scheme, ElementType Tables);

/// <summary>
/// A pass through a small block of a model's kind, on a thread of its own while the model loads: in a process that compiles as it
/// runs, what the first token needs is compiled by then. Nothing that it computes is kept.
/// </summary>
internal static class Rehearsal
{
    // The kernels of four rows and of two; that of one row is the next token's.
    private const int PromptRows = 6;

    private const int Vocabulary = 64, Widest = 512;

    private static int s_begun;

    /// <summary>Begins, once a process: what is compiled stays so.</summary>
    /// <param name="kind">Reads what kind of model it is, on the other thread; null = one that is not rehearsed.</param>
    public static void Begin(Func<ModelKind?> kind)
    {
        // A thread that nobody else uses is what it costs.
        if (RuntimeFeature.IsDynamicCodeCompiled && WorkerPool.Threads > 1 && Interlocked.Exchange(ref s_begun, 1) == 0)
        {
            new Thread(() => Run(kind)) { IsBackground = true, Name = "Portable rehearsal" }.Start();
        }
    }

    /// <summary>The model in small: a block of one key head, an MLP and a vocabulary of few rows; the widths that kernels read are the model's.</summary>
    public static ModelConfig Small(ModelConfig config)
    {
        BlockLayout block = config.Blocks[0];
        AttentionLayout attention = block.Attention with { Heads = block.Attention.GroupHeads, KeyValueHeads = 1 };
        return config with
        {
            Blocks = [block with { Attention = attention, Intermediate = Math.Min(block.Intermediate, Widest) }],
            VocabularySize = Vocabulary,
            MaximumPositions = Math.Min(config.MaximumPositions, 2 * PromptRows),
        };
    }

    private static void Run(Func<ModelKind?> kind)
    {
        try
        {
            if (kind() is not { } known)
            {
                return;
            }

            using WorkerPool alone = new(1);
            using WorkerPool.Scope scope = alone.Use();
            // What loading needs first, though not this model: norms as f32.
            ElementConversion.ToSingle(new byte[2 * Vocabulary], known.Tables, new float[Vocabulary]);
            ModelConfig small = Small(known.Config);
            using Transformer model = new(new SyntheticModel(small, known.Scheme, tables: known.Tables), new CpuExecutor(1));
            foreach (int _ in new Generator(model, new Sampler(new SamplingOptions())).Generate(new int[Math.Min(PromptRows, small.MaximumPositions - 1)], 2, ignoreEnd: true))
            {
            }
        }
        catch (Exception)
        {
            // What fails here fails in the model's own loading or pass, where somebody hears of it.
        }
    }
}

using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Inference;

/// <summary>
/// What the CPU holds for a model: the same sums as its objects make (<see cref="CpuExecutor"/>, <see cref="Workspace"/>,
/// <see cref="KeyValueCache"/>), held to them by a test. Weights of a checkpoint are mapped where its file has them as memory has.
/// </summary>
internal static class CpuMemory
{
    /// <summary>A model as it is.</summary>
    /// <param name="source">The model; its blocks are read.</param>
    /// <param name="sequences">Sequences at a time.</param>
    /// <param name="context">Positions of each.</param>
    public static MemoryEstimate Of(IModelSource source, int sequences, int context)
    {
        long linears = 0;
        List<InputSpec> inputs = [];
        for (int i = 0; i < source.Config.Layers; i++)
        {
            BlockWeights block = source.LoadBlock(i);
            linears += block.Linears.Sum(l => l.Quantized?.Bytes ?? (l.Float!.Bytes + (sizeof(float) * (l.Bias?.Length ?? 0))));
            foreach (BlockInput input in Enum.GetValues<BlockInput>())
            {
                block.Reading(input).ToList().ForEach(l => Add(inputs, InputSpec.Of(l, block.Layout.Columns(input))));
            }
        }

        TableWeights embedding = source.LoadEmbedding();
        TableWeights? head = source.LoadHead();
        long tables = embedding.Bytes + (source.LoadPositions()?.Bytes ?? 0) + (head?.Bytes ?? 0);
        return Of(source.Config, linears, inputs, tables, (head ?? embedding).Quantized is not null, source.KeyValueBits, sequences, context);
    }

    /// <summary>What a model would be, quantized: asymmetric weights, activations per token, or in groups of their own or the weights'. FlattenQuant's further columns come on top.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="type">Element type of embedding and head where the scheme leaves them as they are, and of learned positions.</param>
    /// <param name="sequences">Sequences at a time.</param>
    /// <param name="context">Positions of each.</param>
    public static MemoryEstimate Of(ModelConfig config, QuantizationScheme scheme, ElementType type, int sequences, int context)
    {
        long linears = 0;
        List<InputSpec> inputs = [];
        foreach (BlockLayout block in config.Blocks)
        {
            foreach (BlockSlot slot in block.Slots)
            {
                (int rows, int columns) = block.SizeOf(slot);
                linears += BytesOf(rows, columns, scheme) + (block.HasBias(slot) ? sizeof(float) * (long)rows : 0);
                ActivationQuantizer quantizer = new(new CodeFormat(scheme.ActivationBits, signed: true), ActivationMode.Symmetric, scheme.ActivationGroupSize == 0 ? scheme.GroupSize : scheme.ActivationGroupSize);
                Add(inputs, new InputSpec(columns, quantizer, scheme.Layout(columns)));
            }
        }

        long row = (long)config.HiddenSize * ElementConversion.SizeOf(type);
        long vocabulary = scheme.Table is { } codes ? BytesOf(config.VocabularySize, config.HiddenSize, codes) : config.VocabularySize * row;
        long tables = (vocabulary * (config.TiedEmbeddings ? 1 : 2)) + (config.LearnedPositionOffset is { } offset ? (config.MaximumPositions + offset) * row : 0);
        return Of(config, linears, inputs, tables, scheme.Table is not null, scheme.KeyValueBits, sequences, context);
    }

    /// <summary>Bytes of the caches of all blocks.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="bits">Bits of a cache: 2…8, 16, 32.</param>
    /// <param name="sequences">Sequences at a time.</param>
    /// <param name="context">Positions of each; blocks with a window hold no more than that and a batch.</param>
    public static long CacheBytes(ModelConfig config, int bits, int sequences, int context) => config.Blocks.Sum(b =>
    {
        CacheShape shape = CacheShape.For(b.Attention, bits, sequences, context, CpuExecutor.Rows);
        return KeyValueCache.BytesOf(shape.Sequences, shape.KeyValueHeads, shape.HeadSize, shape.Capacity, shape.Bits);
    });

    /// <summary>The longest context whose caches fit, at most the model's and at least 1.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="bits">Bits of a cache.</param>
    /// <param name="sequences">Sequences at a time.</param>
    /// <param name="bytes">Room for keys and values.</param>
    public static int LargestContext(ModelConfig config, int bits, int sequences, long bytes)
    {
        long fits = 1, tooLong = config.MaximumPositions + 1L;
        while (tooLong - fits > 1)
        {
            long middle = fits + ((tooLong - fits) / 2);
            (fits, tooLong) = CacheRoom.BytesOf(config, bits, sequences, (int)middle, 0) <= bytes ? (middle, tooLong) : (fits, middle);
        }

        return (int)fits;
    }

    private static MemoryEstimate Of(ModelConfig config, long linears, IReadOnlyList<InputSpec> inputs, long tables, bool codes, int keyValueBits, int sequences, int context)
    {
        long rotary = config.Blocks.Select(b => b.Rotary).OfType<RotaryLayout>().Distinct()
            .Sum(r => (long)context * r.Dimensions * sizeof(float) * (r.Scaling is { } scaling && scaling.QueryFactor(context - 1) != 1 ? 2 : 1));
        return new MemoryEstimate(linears, tables + rotary, CacheBytes(config, keyValueBits, sequences, context), WorkingBytes(config, inputs, codes, sequences));
    }

    /// <summary>Activations of the largest batch, what linears read, and the logits of a row of each sequence.</summary>
    private static long WorkingBytes(ModelConfig config, IReadOnlyList<InputSpec> inputs, bool codes, int sequences)
    {
        // The residual stream, a part before its norm, and the executor's two rows of that width.
        long columns = (config.Blocks.Any(b => b.HasNormsAfter) ? 4L : 3) * config.HiddenSize;
        columns += config.Blocks.Select(b => (b.Attention.QueryWidth + (2 * b.Attention.KeyValueWidth), b.Attention.QueryWidth, Up: (b.Gated ? 2 : 1) * b.Intermediate)).Distinct().Sum(w => (long)w.Item1 + w.QueryWidth + w.Up);
        columns += config.Blocks.Select(b => b.Intermediate).Distinct().Sum(w => (long)w);
        long head = codes ? CpuRoom.Rows(Math.Min(sequences, CpuExecutor.Rows), CpuExecutor.Rows) * RowBytes(new InputSpec(config.HiddenSize, new ActivationQuantizer(new CodeFormat(8, signed: true), ActivationMode.Symmetric, 0), new GroupLayout(config.HiddenSize))) : 0;
        return (CpuExecutor.Rows * ((sizeof(float) * columns) + inputs.Sum(RowBytes))) + head + (sizeof(float) * (long)sequences * config.VocabularySize);
    }

    private static long BytesOf(int rows, int columns, QuantizationScheme scheme)
    {
        GroupLayout layout = scheme.Layout(columns);
        int groups = layout.Scales(scheme.GroupSize).Count;
        return rows * ((sizeof(ulong) * (long)layout.Blocks * scheme.WeightFormat.Bits) + (sizeof(int) * (long)layout.Groups) + (sizeof(ushort) * (long)groups) + ZeroPoints.BytesOf(groups, scheme.WeightFormat.Bits));
    }

    // One input serves all that match.
    private static void Add(List<InputSpec> inputs, InputSpec spec)
    {
        if (!inputs.Exists(i => i.Matches(spec)))
        {
            inputs.Add(spec);
        }
    }

    /// <summary>Codes (two digits of 16 bits), their sums, and scales with zero points; f32 without a quantizer.</summary>
    private static long RowBytes(InputSpec spec) => spec.Quantizer is not { } quantizer
        ? sizeof(float) * (long)spec.Columns
        : ((quantizer.Format.Bits == 16 ? 2L : 1) * (spec.Layout.PaddedColumns + (sizeof(int) * spec.Layout.Groups))) + (8L * spec.Layout.Scales(quantizer.GroupSize).Count);
}

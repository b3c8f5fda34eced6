using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Oracle;

namespace Portable.Tests.Training;

/// <summary>A small random block, its input, and the oracle that holds the same parameters.</summary>
internal sealed class BlockFixture
{
    public BlockFixture(int seed, bool gated, int tokens = 7, int heads = 4, int group = 2, int size = 4, int hidden = 12, int intermediate = 10)
    {
        Random random = new(seed);
        Tokens = tokens;
        Layout = new BlockLayout
        {
            Hidden = hidden,
            Intermediate = intermediate,
            Attention = new AttentionLayout(heads, heads / group, size),
            Rotary = gated ? new RotaryLayout(size, 100) : null,
            Norm = gated ? NormKind.Rms : NormKind.Layer,
            NormEpsilon = 1e-5f,
            Activation = gated ? ActivationKind.Silu : ActivationKind.Relu,
            Gated = gated,
        };
        Tensors = new BlockTensors(Layout);
        foreach (BlockNorm norm in Layout.Norms)
        {
            Tensors[norm] = new NormTensors(Fill(random, hidden, 0.3f, 1), gated ? null : Fill(random, hidden, 0.2f));
        }

        foreach (BlockSlot linear in Layout.Slots)
        {
            (int rows, int columns) = Layout.SizeOf(linear);
            Tensors[linear] = new LinearTensors(rows, columns, Fill(random, rows * columns, 0.5f), gated && linear != BlockSlot.Query ? null : Fill(random, rows, 0.2f));
        }

        Input = Fill(random, tokens * hidden, 1f);
        Table = new RotaryTable(tokens, size, 100);
    }

    private BlockFixture(BlockFixture other, BlockTensors tensors) =>
        (Tokens, Layout, Tensors, Input, Table) = (other.Tokens, other.Layout, tensors, other.Input, other.Table);

    public int Tokens { get; }

    public BlockLayout Layout { get; }

    public BlockTensors Tensors { get; }

    public float[] Input { get; }

    public RotaryTable Table { get; }

    public TrainingRotary? Rotary => Layout.Rotary is null ? null : new TrainingRotary(Table);

    public TrainingBlock Block(int activationBits = 16, int keyValueBits = 16) => new(Layout, Tokens, activationBits, keyValueBits, Rotary);

    /// <summary>The same with other parameters.</summary>
    public BlockFixture With(BlockTensors tensors) => new(this, tensors);

    public BlockOracle Oracle()
    {
        BlockOracle oracle = new(Layout.Hidden, Layout.Intermediate, Layout.Attention.Heads, Layout.Attention.KeyValueHeads, Layout.Attention.HeadSize, Layout.Gated, Layout.NormEpsilon)
        {
            Gain1 = Wide(Tensors[BlockNorm.Attention].Gain)!,
            Bias1 = Wide(Tensors[BlockNorm.Attention].Bias),
            Gain2 = Wide(Tensors[BlockNorm.Mlp].Gain)!,
            Bias2 = Wide(Tensors[BlockNorm.Mlp].Bias),
        };
        foreach (BlockSlot linear in Layout.Slots)
        {
            oracle.Weights[(int)linear] = Wide(Tensors[linear].Weight);
            oracle.Biases[(int)linear] = Wide(Tensors[linear].Bias);
        }

        return oracle;
    }

    public double[] OracleForward(BlockOracle oracle, double[] x) => oracle.Forward(x, Tokens, Wide(Table.Cosines.ToArray())!, Wide(Table.Sines.ToArray())!);

    public static double[]? Wide(float[]? values) => values?.Select(v => (double)v).ToArray();

    public static float[] Fill(Random random, int count, float amplitude, float offset = 0) =>
        Enumerable.Range(0, count).Select(_ => offset + amplitude * (float)(2 * random.NextDouble() - 1)).ToArray();
}

using Portable.Reference.Arithmetic;
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
        Shape = new BlockShape(hidden, intermediate, heads, heads / group, size, gated, 1e-5f);
        Tensors = new BlockTensors(Shape, Fill(random, hidden, 0.3f, 1), gated ? null : Fill(random, hidden, 0.2f), Fill(random, hidden, 0.3f, 1), gated ? null : Fill(random, hidden, 0.2f));
        foreach (BlockLinear linear in Shape.Linears)
        {
            (int rows, int columns) = Shape.SizeOf(linear);
            Tensors[linear] = new LinearTensors(rows, columns, Fill(random, rows * columns, 0.5f), gated && linear != BlockLinear.Query ? null : Fill(random, rows, 0.2f));
        }

        Input = Fill(random, tokens * hidden, 1f);
        Table = new RotaryTable(tokens, size, 100);
    }

    private BlockFixture(BlockFixture other, BlockTensors tensors) =>
        (Tokens, Shape, Tensors, Input, Table) = (other.Tokens, other.Shape, tensors, other.Input, other.Table);

    public int Tokens { get; }

    public BlockShape Shape { get; }

    public BlockTensors Tensors { get; }

    public float[] Input { get; }

    public RotaryTable Table { get; }

    public TrainingRotary? Rotary => Shape.Gated ? new TrainingRotary(Table) : null;

    public TrainingBlock Block(int activationBits = 16, int keyValueBits = 16) => new(Shape, Tokens, activationBits, keyValueBits, Rotary);

    /// <summary>The same with other parameters.</summary>
    public BlockFixture With(BlockTensors tensors) => new(this, tensors);

    public BlockOracle Oracle()
    {
        BlockOracle oracle = new(Shape.Hidden, Shape.Intermediate, Shape.Heads, Shape.KeyValueHeads, Shape.HeadSize, Shape.Gated, Shape.NormEpsilon)
        {
            Gain1 = Wide(Tensors.AttentionGain)!,
            Bias1 = Wide(Tensors.AttentionBias),
            Gain2 = Wide(Tensors.MlpGain)!,
            Bias2 = Wide(Tensors.MlpBias),
        };
        foreach (BlockLinear linear in Shape.Linears)
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

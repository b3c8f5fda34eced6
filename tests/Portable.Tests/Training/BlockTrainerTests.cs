using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FsCheck.Xunit;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Threading;
using Portable.Reference.Training;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>Block reconstruction: an equivalence before quantization, what is trained is what is folded, deterministic, and it learns.</summary>
public class BlockTrainerTests
{
    public static TheoryData<string> ModelTypes => [.. BlockFixture.ModelTypes];

    [Property(MaxTest = 6)]
    public void TransformationKeepsTheFunction(int seed, bool gated, bool logarithmic) => KeepsTheFunction(new BlockFixture(seed, gated, group: gated ? 2 : 1), seed, logarithmic);

    [Property(MaxTest = 20)]
    public void TransformationKeepsTheFunctionOfAnyBlock(int seed, bool logarithmic) => KeepsTheFunction(new BlockFixture(seed, BlockFixture.AnyLayout(seed), 7), seed, logarithmic);

    [Theory]
    [MemberData(nameof(ModelTypes))]
    public void TransformationKeepsTheFunctionOfEveryArchitecture(string modelType)
    {
        foreach ((int i, BlockLayout layout) in BlockFixture.LayoutsOf(modelType).Index())
        {
            KeepsTheFunction(new BlockFixture(i, layout, 7), i, logarithmic: true);
        }
    }

    /// <summary>Every vector that a layout has a place for moves, and nothing else does: norms behind parts carry none.</summary>
    [Theory]
    [InlineData("llama", "Attention Mlp")]
    [InlineData("qwen3", "Attention Mlp Query Key")]
    [InlineData("gemma2", "Attention Mlp")]
    [InlineData("gemma3_text", "Attention Mlp Query Key")]
    [InlineData("olmo2", "Query Key")]
    [InlineData("nemotron", "Attention Mlp")]
    public void NormsThatCarryFactors(string modelType, string carrying)
    {
        BlockFixture f = new(1, BlockFixture.LayoutsOf(modelType)[0], 7);
        Trainee trainer = Trainer(f, new BlockWidths(3, 0, 4, 4), Small with { SmoothingRate = 0.05f });
        Learn(f, trainer);
        Assert.Equal(carrying.Split(' '), f.Layout.Norms.Where(n => !trainer.Quantized[n].Gain.SequenceEqual(f.Tensors[n].Gain)).Select(n => $"{n}"));
        bool rows = f.Layout.Attention.QueryKeyNorm == QueryKeyNorm.None;
        Assert.Equal(rows, trainer.Fold(BlockSlot.Query).OutputFactors.Any(v => v != 1));
        Assert.All((BlockSlot[])[BlockSlot.Value, BlockSlot.Up], slot => Assert.Contains(trainer.Fold(slot).OutputFactors, v => v != 1));
    }

    private static void KeepsTheFunction(BlockFixture f, int seed, bool logarithmic)
    {
        AbqOptions options = new()
        {
            Epochs = 3,
            Clipping = false,
            Compensation = WeightCompensation.None,
            LogarithmicSmoothing = logarithmic,
            SmoothingRate = 0.05f,
            Attention = AttentionDivergence.None,
        };
        Trainee trainer = Trainer(f, new BlockWidths(0, 0, 16, 16), options);
        float[] expected = new float[f.Input.Length], actual = new float[f.Input.Length], other = BlockFixture.Fill(new Random(seed), expected.Length, 1);
        f.Block().Forward(f.Tensors, f.Input, expected, f.Tokens);
        trainer.Train(2, (_, part, values) => Fill(part, values, f.Input, other, [])); // a target elsewhere, so that the vectors move
        Assert.Contains(trainer.Fold(BlockSlot.Value).OutputFactors, v => v != 1);
        trainer.Forward(f.Input, actual);
        double scale = 1 + expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) < 1e-4 * scale, $"[{i}]: {actual[i]}, float block {expected[i]}");
        }
    }

    [Property(MaxTest = 4)]
    public void FoldedIntegersAreTheTrainedWeights(int seed, bool groups, bool rankOne)
    {
        BlockFixture f = new(seed, gated: true);
        BlockWidths widths = new(4, groups ? 5 : 0, 8, 8);
        Trainee trainer = Trainer(f, widths, Small with { Compensation = rankOne ? WeightCompensation.RankOne : WeightCompensation.Full });
        Learn(f, trainer);
        foreach (BlockSlot linear in f.Layout.Slots)
        {
            TrainedLinear folded = trainer.Fold(linear);
            (int rows, int columns) = f.Layout.SizeOf(linear);
            int size = groups ? Math.Min(5, columns) : columns, count = (columns + size - 1) / size;
            Assert.Equal(rows * count, folded.Scales.Length);
            for (int i = 0; i < folded.Codes.Length; i++)
            {
                int group = i / columns * count + i % columns / size;
                Assert.InRange(folded.Codes[i], 0, 4);
                Assert.InRange(folded.ZeroPoints[group], 0, 4);
                Assert.Equal((folded.Codes[i] - folded.ZeroPoints[group]) * folded.Scales[group], trainer.Quantized[linear].Weight[i]);
            }
        }
    }

    [Theory]
    [InlineData(nameof(WeightCompensation.None), nameof(AttentionDivergence.None), 3, 4, 16)]
    [InlineData(nameof(WeightCompensation.RankOne), nameof(AttentionDivergence.Published), 4, 8, 8)]
    [InlineData(nameof(WeightCompensation.Full), nameof(AttentionDivergence.PerRow), 4, 8, 4)]
    [InlineData(nameof(WeightCompensation.Full), nameof(AttentionDivergence.PerRow), 15, 16, 16)]
    public void TrainingReducesTheLoss(string compensationName, string attentionName, int levels, int activationBits, int keyValueBits)
    {
        WeightCompensation compensation = Enum.Parse<WeightCompensation>(compensationName);
        AttentionDivergence attention = Enum.Parse<AttentionDivergence>(attentionName);
        BlockFixture f = new(11, gated: true, tokens: 24, hidden: 32, intermediate: 40, size: 8);
        Trainee trainer = Trainer(f, new BlockWidths(levels, 0, activationBits, keyValueBits), Small with { Compensation = compensation, Attention = attention, Epochs = 40 });
        TrainingReport report = Learn(f, trainer);
        Assert.True(report.LossAfter < 0.9 * report.LossBefore, $"{report.LossBefore} → {report.LossAfter}");
    }

    [Fact]
    public void OptTrains()
    {
        BlockFixture f = new(12, gated: false, group: 1, tokens: 16, hidden: 24, intermediate: 32);
        TrainingReport report = Learn(f, Trainer(f, new BlockWidths(3, 0, 8, 16), Small with { Epochs = 40 }));
        Assert.True(report.LossAfter < 0.9 * report.LossBefore, $"{report.LossBefore} → {report.LossAfter}");
    }

    [Fact]
    public void ThreadsDoNotMatter()
    {
        float[] Run()
        {
            BlockFixture f = new(5, gated: true, tokens: 40, hidden: 40, intermediate: 150, size: 8);
            Trainee trainer = Trainer(f, new BlockWidths(4, 0, 4, 4), Small);
            Learn(f, trainer);
            return trainer.Quantized[BlockSlot.Down].Weight;
        }

        float[] threaded = Run(), serial = [];
        WorkerPool.Run(2, i => serial = i == 0 ? Run() : serial); // inside a piece of work everything runs on one thread
        Assert.Equal(threaded, serial);
    }

    /// <summary>The suite runs on every instruction tier: a frozen hash there means the same trained bits on all of them.</summary>
    [Theory]
    [InlineData(true, "23de492349065ad7")]
    [InlineData(false, "4858317bc89e449f")]
    public void TrainedBitsAreFrozen(bool gated, string hash)
    {
        BlockFixture f = new(21, gated, tokens: 37, group: gated ? 2 : 1, size: 8, hidden: 40, intermediate: 75);
        Trainee trainer = Trainer(f, new BlockWidths(4, 16, 4, 4), Small);
        Learn(f, trainer);
        float[] bits = [.. f.Layout.Slots.SelectMany(l => trainer.Quantized[l].Weight), .. trainer.Quantized[BlockNorm.Attention].Gain, .. trainer.Quantized[BlockNorm.Mlp].Gain];
        Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(bits.AsSpan())))[..16]);
    }

    [Fact]
    public void NonFiniteLossNamesTheBlock()
    {
        BlockFixture f = new(6, gated: true);
        Trainee trainer = Trainer(f, new BlockWidths(3, 0, 8, 8), Small);
        float[] broken = [.. f.Input];
        broken[0] = float.NaN;
        string message = Assert.Throws<NonFiniteLossException>(() => trainer.Train(1, (_, part, values) => Fill(part, values, f.Input, broken, []))).Message;
        Assert.Contains("layer seven", message);
    }

    /// <summary>The last step's update is seen by no further step: the closing evaluation must notice.</summary>
    [Fact]
    public void ALastStepThatDivergesNamesTheBlock()
    {
        BlockFixture f = new(6, gated: true);
        Trainee trainer = Trainer(f, new BlockWidths(3, 0, 8, 8), Small with { Epochs = 1, OffsetRate = float.PositiveInfinity });
        string message = Assert.Throws<NonFiniteLossException>(() => Learn(f, trainer, samples: 1)).Message;
        Assert.Contains("layer seven", message);
        Assert.Contains("after training", message);
    }

    [Fact]
    public void PatienceStopsEarly()
    {
        BlockFixture f = new(7, gated: true);
        AbqOptions still = Small with { Epochs = 50, Patience = 2, SmoothingRate = 0, ClippingRate = 0, OffsetRate = 0 };
        Assert.Equal(3, Learn(f, Trainer(f, new BlockWidths(3, 0, 8, 8), still), samples: 1).Steps);
    }

    private static AbqOptions Small => new() { Epochs = 4, OffsetRate = 0.02f };

    private static TrainingReport Learn(BlockFixture f, Trainee trainer, int samples = 2)
    {
        float[] target = new float[f.Input.Length], map = new float[f.Tokens * f.Tokens];
        TrainingBlock teacher = f.Block();
        teacher.Forward(f.Tensors, f.Input, target, f.Tokens);
        teacher.MeanAttention(map);
        return trainer.Train(samples, (_, part, values) => Fill(part, values, f.Input, target, map));
    }

    /// <summary>A sample whose teachers agree; an empty map stands for zeros.</summary>
    internal static void Fill(SamplePart part, Span<float> values, float[] input, float[] target, float[] map)
    {
        int tokens = (int)Math.Sqrt(map.Length);
        if (part != SamplePart.Attention)
        {
            (part == SamplePart.Input ? input : target).CopyTo(values);
            return;
        }

        values.Clear();
        for (int t = 0; t < tokens; t++)
        {
            map.AsSpan(t * tokens, t + 1).CopyTo(values[(t * (t + 1) / 2)..]);
        }
    }

    private static Trainee Trainer(BlockFixture f, BlockWidths widths, AbqOptions options)
    {
        BlockStatistics statistics = new(f.Layout);
        TrainingBlock block = f.Block();
        block.Forward(f.Tensors, f.Input, new float[f.Input.Length], f.Tokens);
        statistics.Add(block, f.Tokens);
        CpuStudent student = new(f.Tensors, widths, options, statistics, f.Rotary, f.Tokens, options.HasRankOne(0, 4));
        return new Trainee(student, new BlockTrainer(student, options, "layer seven"));
    }

    private sealed record Trainee(CpuStudent Student, BlockTrainer Trainer)
    {
        public BlockTensors Quantized => Student.Quantized;

        public TrainingReport Train(int samples, SampleReader read) => Trainer.Train(samples, read);

        public void Forward(float[] x, float[] y) => Student.Forward(x, y);

        public TrainedLinear Fold(BlockSlot linear) => Student.Fold(linear);
    }
}

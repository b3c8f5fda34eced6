using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Generation;

/// <summary>What is compiled ahead of the first token is what that token runs: every shape has a model in small that goes through whole passes.</summary>
public sealed class RehearsalTests
{
    public static TheoryData<string, string> Kinds
    {
        get
        {
            TheoryData<string, string> kinds = [];
            foreach (string shape in ModelShapes.Names)
            {
                kinds.Add(shape, "W4A8");
                kinds.Add(shape, "W2*A8KV4H8");
                kinds.Add(shape, "W6A6g128KV8");
            }

            return kinds;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EveryShapeHasASmallModelThatRuns(string shape, string scheme)
    {
        ModelConfig config = Rehearsal.Small(ModelShapes.Find(shape));
        Assert.Equal((1, ModelShapes.Find(shape).HiddenSize), (config.Layers, config.HiddenSize));
        using Transformer model = new(new SyntheticModel(config, QuantizationScheme.Parse(scheme), tables: ElementType.BFloat16), new CpuExecutor(1));
        Assert.Equal(config.VocabularySize, model.Forward(Batch.Consecutive(new int[6], 0, allLogits: false)).Length);
        Assert.Contains(model.Forward(Batch.Consecutive(new int[1], 6, allLogits: false)).ToArray(), logit => logit != 0);
    }

    [Theory]
    [InlineData(ElementType.Float16)]
    [InlineData(ElementType.BFloat16)]
    public void SyntheticTablesAreSmallAndOfBothSigns(ElementType type)
    {
        FloatTable table = SyntheticTable.Halves(13, 31, 5, type);
        float[] values = new float[13 * 31];
        ElementConversion.ToSingle(table.Data.Span, type, values);
        Assert.Equal(type, table.Type);
        Assert.All(values, v => Assert.InRange(MathF.Abs(v), 1f / 64, 1f / 32));
        Assert.InRange(values.Count(v => v < 0), 150, 250);
    }
}

using Portable.Calibration;
using Portable.Models;
using Portable.Quantization.AbqLlm;
using Portable.Quantization.Runs;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Support;
using Portable.Tests.Training;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>Methods on the blocks of every architecture in the table.</summary>
public class ArchitectureMethodTests
{
    public static TheoryData<string> ModelTypes => [.. BlockFixture.ModelTypes];

    /// <summary>Every method takes every architecture, and what it gives runs.</summary>
    [SkippableTheory]
    [MemberData(nameof(ModelTypes))]
    public void EveryMethodTakesEveryArchitecture(string modelType)
    {
        WideVectors.Require();
        BlockLayout[] layouts = BlockFixture.LayoutsOf(modelType);
        RandomModel model = new(RandomModel.Of(modelType, 1, layouts[0]) with { Blocks = layouts }, 32, 8, null);
        foreach (string method in QuantizationMethods.All.Select(m => m.Name))
        {
            MethodRun run = MethodRun.Quantize(method, model, scheme: method switch { "flexq" => "W6A6g8", "flatten" => "W4A4", _ => "W4A4KV4" }, named: method is "abq" or "omniquant" ? new() { ["epochs"] = "1" } : null);
            Assert.Equal(layouts.Length, run.Blocks.Count);
            Assert.All(run.Reports.SelectMany(r => r), report => Assert.InRange(report.OutputError!.Value, 1e-4, 2));
        }
    }

    /// <summary>The teacher is the runtime's float block: what is learned from is what the model does.</summary>
    [Theory]
    [MemberData(nameof(ModelTypes))]
    public void TheTeacherIsTheRuntimesFloatBlock(string modelType)
    {
        const int Tokens = 40;
        foreach (BlockLayout layout in BlockFixture.LayoutsOf(modelType))
        {
            RandomModel model = new(RandomModel.Of(modelType, 1, layout), 32, 8, null);
            using StreamStorage storage = new(Path.GetTempPath());
            using BlockStream stream = new(model, [[.. Enumerable.Range(1, Tokens)]], 32, storage);
            float[] x = stream.Read(0), y = new float[x.Length];
            stream.Advance(model.LoadBlock(0));
            float[] expected = stream.Read(0);
            new TrainingBlock(layout, Tokens, 16, 16, FloatBlocks.Rotary(layout, Tokens)).Forward(FloatBlocks.Read(model.LoadBlock(0)), x, y, Tokens);
            Assert.NotEqual(x, y);
            float scale = expected.Max(MathF.Abs);
            Assert.All(expected, (value, i) => Assert.InRange(y[i], value - 1e-4f * scale, value + 1e-4f * scale));
        }
    }
}

using Portable.Execution;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Reference.Training;
using Portable.Tests.Training;
using Portable.Vulkan.Tensors;
using Portable.Vulkan.Training;
using Xunit;

namespace Portable.Tests.Vulkan.Training;

/// <summary>Reconstruction of a block on the device: losses, steps and integers are the CPU's to the bit.</summary>
[Collection("Vulkan")]
public sealed class DeviceStudentTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData("default", 15, 0, 4, 4)]
    [InlineData("default", 4, 16, 8, 16)]
    [InlineData("paper", 3, 0, 8, 8)]
    [InlineData("omniquant", 15, 5, 4, 4)]
    [InlineData("published attention", 7, 0, 6, 16)]
    [InlineData("searched grids", 3, 16, 8, 16)]
    [InlineData("default", 15, 0, 16, 16)]
    public void TrainingHasTheCpusBits(string recipe, int levels, int group, int activationBits, int keyValueBits)
    {
        AbqOptions options = recipe switch
        {
            "paper" => AbqOptions.Paper(2),
            "omniquant" => AbqOptions.OmniQuant,
            "published attention" => new AbqOptions { Attention = AttentionDivergence.Published, ClippingSearch = false },
            "searched grids" => AbqOptions.Ours(2),
            _ => new AbqOptions { OffsetRate = 0.02f },
        };
        BlockFixture f = new(11, gated: true, tokens: 24, hidden: 32, intermediate: 40, size: 8);
        Compare(f, new BlockWidths(levels, group, activationBits, keyValueBits, Scales: group == 5 ? ScaleFormat.Single : ScaleFormat.Half), options with { Epochs = 3 });
    }

    [SkippableTheory]
    [InlineData(21)]
    [InlineData(22)]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(25)]
    public void AnyBlockTrainsToTheCpusBits(int seed) =>
        Compare(new BlockFixture(seed, BlockFixture.AnyLayout(seed), 9), new BlockWidths(7, 0, 6, 6, Scales: ScaleFormat.Half), new AbqOptions { Epochs = 2 });

    /// <summary>By matrix units: the same bytes twice, and a block as good as the CPU's.</summary>
    [SkippableFact]
    public void TrainingByMatricesRepeatsItselfAndIsAsGood()
    {
        Skip.If(MatrixProducts.TileOf(vulkan.Context.Facts) is null, "the device has no matrices of f16 with f32 sums");
        BlockFixture f = new(11, gated: true, tokens: 24, hidden: 32, intermediate: 40, size: 8);
        BlockWidths widths = new(15, 0, 4, 4, Scales: ScaleFormat.Half);
        AbqOptions options = new() { OffsetRate = 0.02f };
        using MatrixProducts products = new(vulkan.Context);
        TrainingReport cpu = Train(f, widths, options, device: false).Report;
        (TrainingReport report, IReadOnlyDictionary<BlockSlot, TrainedLinear> linears, _) = Train(f, widths, options, device: true, products);
        (TrainingReport again, IReadOnlyDictionary<BlockSlot, TrainedLinear> repeated, _) = Train(f, widths, options, device: true, products);
        Assert.Equal((report.LossBefore, report.LossAfter), (again.LossBefore, again.LossAfter));
        Assert.All(f.Layout.Slots, slot => Assert.Equal(linears[slot].Codes, repeated[slot].Codes));
        Assert.InRange(report.LossBefore / cpu.LossBefore, 0.99, 1.01);
        Assert.InRange(report.LossAfter / cpu.LossAfter, 0.95, 1.05);
    }

    [SkippableFact]
    public void ALossThatIsNotFiniteNamesTheBlock()
    {
        BlockFixture f = new(6, gated: true);
        Assert.Contains("layer seven", Assert.Throws<NonFiniteLossException>(() => Train(f, new BlockWidths(3, 0, 8, 8), new AbqOptions { Epochs = 1, OffsetRate = float.PositiveInfinity }, device: true)).Message, StringComparison.Ordinal);
    }

    private void Compare(BlockFixture f, BlockWidths widths, AbqOptions options)
    {
        (TrainingReport cpuReport, IReadOnlyDictionary<BlockSlot, TrainedLinear> cpu, IReadOnlyDictionary<BlockNorm, NormTensors> cpuNorms) = Train(f, widths, options, device: false);
        (TrainingReport report, IReadOnlyDictionary<BlockSlot, TrainedLinear> linears, IReadOnlyDictionary<BlockNorm, NormTensors> norms) = Train(f, widths, options, device: true);
        Assert.Equal((cpuReport.LossBefore, cpuReport.LossAfter, cpuReport.Steps), (report.LossBefore, report.LossAfter, report.Steps));
        foreach (BlockSlot slot in f.Layout.Slots)
        {
            Assert.Equal(cpu[slot].InputFactors, linears[slot].InputFactors);
            Assert.Equal(cpu[slot].OutputFactors, linears[slot].OutputFactors);
            Assert.Equal(cpu[slot].Scales, linears[slot].Scales);
            Assert.Equal(cpu[slot].ZeroPoints, linears[slot].ZeroPoints);
            Assert.Equal(cpu[slot].Codes, linears[slot].Codes);
            Assert.Equal(cpu[slot].Bias, linears[slot].Bias);
        }

        foreach (BlockNorm norm in f.Layout.Norms)
        {
            Assert.Equal(cpuNorms[norm].Gain, norms[norm].Gain);
            Assert.Equal(cpuNorms[norm].Bias, norms[norm].Bias);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private (TrainingReport Report, IReadOnlyDictionary<BlockSlot, TrainedLinear> Linears, IReadOnlyDictionary<BlockNorm, NormTensors> Norms) Train(BlockFixture f, BlockWidths widths, AbqOptions options, bool device, ITrainingProducts? by = null)
    {
        const int Samples = 3;
        TrainingBlock teacher = f.Block();
        BlockStatistics statistics = new(f.Layout);
        List<(float[] Input, float[] Target, float[] Map)> samples = [];
        for (int i = 0; i < Samples; i++)
        {
            float[] input = BlockFixture.Fill(new Random(i), f.Input.Length, 1), target = new float[input.Length], map = new float[f.Tokens * f.Tokens];
            teacher.Forward(f.Tensors, input, target, f.Tokens);
            teacher.MeanAttention(map);
            statistics.Add(teacher, f.Tokens);
            samples.Add((input, target, map));
        }

        void Read(int index, SamplePart part, Span<float> values) => BlockTrainerTests.Fill(part, values, samples[index].Input, samples[index].Target, samples[index].Map);

        // One sample is read by the host, one lies in the device's memory, one where the device reads by itself.
        Dictionary<(int, SamplePart), StoredRows> memory = [];
        StoredRows? MemoryOf(int index, SamplePart part)
        {
            if (index > 0 && !memory.ContainsKey((index, part)))
            {
                float[] values = new float[part == SamplePart.Attention ? f.Tokens * (f.Tokens + 1) / 2 : f.Input.Length];
                Read(index, part, values);
                VulkanRows rows = new(vulkan.Context, values.Length, resident: index == 1);
                rows.Write(0, values);
                memory.Add((index, part), rows);
            }

            return memory.GetValueOrDefault((index, part));
        }

        bool rankOne = options.HasRankOne(0, 4);
        using OrderedProducts products = new(vulkan.Context);
        IBlockStudent student = device
            ? new VulkanStudent(vulkan.Context, by ?? products, null, DeviceBlock.Weights(f), widths, options, statistics, f.Tokens, rankOne, MemoryOf)
            : new CpuStudent(f.Tensors, widths, options, statistics, f.Rotary, f.Tokens, rankOne);
        try
        {
            TrainingReport report = new BlockTrainer(student, options, "layer seven").Train(Samples, Read);
            return (report, f.Layout.Slots.ToDictionary(s => s, student.Fold), f.Layout.Norms.ToDictionary(n => n, student.Norm));
        }
        finally
        {
            // What is under way may still read it.
            student.Dispose();
            foreach (StoredRows rows in memory.Values)
            {
                rows.Dispose();
            }
        }
    }
}

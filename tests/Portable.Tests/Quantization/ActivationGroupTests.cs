using Portable.Models;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Quantization;

/// <summary>Groups of activations (a) and scales of 11 bits, with every method.</summary>
public class ActivationGroupTests
{
    public static TheoryData<string, string> Cases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach (string method in (string[])["rtn", "smoothquant", "gptq", "omniquant", "abq"])
            {
                foreach (string scheme in (string[])["W4A8a16", "W4A6g32a8", "W4A8g8a32", "W4A8g16a16"])
                {
                    cases.Add(method, scheme);
                }
            }

            return cases;
        }
    }

    /// <summary>The layers say what the scheme says, sums are cut at the finer borders, scales are halves, and the block runs.</summary>
    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void EveryMethodTakesThem(string method, string scheme)
    {
        WideVectors.Require();
        QuantizationScheme widths = QuantizationScheme.Parse(scheme);
        MethodRun run = MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(layers: 1), 32, 8, null), scheme: scheme, named: method is "abq" or "omniquant" ? new() { ["epochs"] = "1" } : null);
        Assert.All(run.Blocks[0].Linears, linear =>
        {
            QuantizedLinear q = linear.Quantized!;
            Assert.Equal(scheme, linear.Scheme);
            Assert.Equal((widths.GroupSize, widths.ActivationGroupSize), (q.GroupSize, q.Input.GroupSize));
            Assert.Equal(widths.GroupSize == 0 ? widths.ActivationGroupSize : Math.Min(widths.GroupSize, widths.ActivationGroupSize), q.Weights.Layout.GroupSize);
            Assert.Equal(ScaleFormat.Half, q.Scales.Format);
        });
        Assert.All(run.Reports.SelectMany(r => r), report => Assert.InRange(report.OutputError!.Value, 1e-4, 1));
    }

    /// <summary>FlattenQuant's inputs take a scale a token and group in place of the static one and its parts; its weights keep one step a tensor.</summary>
    [SkippableTheory]
    [InlineData("W8A8a16", "")]
    [InlineData("W4A4a8", "")]
    [InlineData("W4A4a16", "ranges=boxplot beta=0.5 max-expansion=4")]
    [InlineData("W8A8a16", "ranges=boxplot beta=0.5 max-expansion=4")]
    [InlineData("W8A8a16", "gptq=off fold=on")]
    public void FlattenTakesThem(string scheme, string options)
    {
        WideVectors.Require();
        QuantizationScheme widths = QuantizationScheme.Parse(scheme);
        Dictionary<string, string> named = options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o.Split('=')).ToDictionary(o => o[0], o => o[1]);
        MethodRun run = MethodRun.Quantize("flatten", new RandomModel(RandomModel.Llama(layers: 1), 32, 8, null), scheme: scheme, named: named);
        Assert.All(run.Blocks[0].Linears, linear =>
        {
            QuantizedLinear q = linear.Quantized!;
            QuantizationScheme own = QuantizationScheme.Parse(linear.Scheme!);
            Assert.Equal(widths.ActivationGroupSize, own.ActivationGroupSize);
            Assert.Contains(own.WeightBits, (int[])[widths.WeightBits, 8]);
            Assert.Equal(new ActivationQuantizer(new CodeFormat(own.WeightBits, signed: true), ActivationMode.Symmetric, widths.ActivationGroupSize), q.Input);
            Assert.Equal((0, widths.ActivationGroupSize), (q.GroupSize, q.Weights.Layout.GroupSize));
            Assert.Single(q.Scales.Distinct());
        });
        Assert.All(run.Reports.SelectMany(r => r), report => Assert.InRange(report.OutputError!.Value, 1e-4, 1));
    }

    /// <summary>A channel far above the others costs those of its group, not all.</summary>
    [SkippableFact]
    public void AnOutlierCostsItsGroupOnly()
    {
        WideVectors.Require();
        RandomModel model = new(RandomModel.Llama(layers: 1), 32, 8, null);
        double[] errors = [.. ((string[])["W8A4", "W8A4a64", "W8A4a16", "W8A4a8"]).Select(scheme =>
            MethodRun.Quantize("rtn", model, scheme: scheme).Reports.SelectMany(r => r).Average(r => r.OutputError!.Value))];
        Assert.True(errors[3] < errors[2] && errors[2] < errors[0] && errors[1] <= errors[0], string.Join(' ', errors));
    }

    [Theory]
    [InlineData("flexq", "W6A6g32a16", "g groups weights and activations alike")]
    [InlineData("flexq", "W6A6a32", "name them")]
    [InlineData("flatten", "W8A8g32a32", "none of weights")]
    [InlineData("flatten", "W4A8a32", "W8A8a128")]
    [InlineData("flatten", "W8A8a1", "a is a multiple of 8")]
    [InlineData("flatten", "W4A4a7", "a is a multiple of 8")]
    [InlineData("rtn", "W8A8a12", "a is a multiple of 8")]
    [InlineData("gptq", "W4A8g16a4", "a is a multiple of 8")]
    public void MethodsWithGroupsOfTheirOwnRefuseThemByName(string method, string scheme, string says)
    {
        Exception e = Assert.ThrowsAny<Exception>(() => MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 8, null), scheme: scheme));
        Assert.True(e is FormatException or MethodUsageException);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FlexQTakesItsOwnGroupsSpeltOut()
    {
        RandomModel model = new(RandomModel.Llama(layers: 1), 32, 8, null);
        BlockWeights plain = MethodRun.Quantize("flexq", model, scheme: "W6A8g32").Blocks[0], spelt = MethodRun.Quantize("flexq", model, scheme: "W6A8g32a32").Blocks[0];
        Assert.All(plain.Linears.Zip(spelt.Linears), p => Assert.Equal((p.First.Quantized!.Input, p.First.Quantized.GroupSize), (p.Second.Quantized!.Input, p.Second.Quantized.GroupSize)));
    }

    /// <summary>As wide as the weights' groups or wider, a cuts nothing that g does not cut.</summary>
    [Theory]
    [InlineData("W4A8g12a12")]
    [InlineData("W4A8g12a24")]
    public void GroupsNoFinerThanTheWeightsAreTakenAtAnyWidth(string scheme) =>
        Assert.NotEmpty(MethodRun.Quantize("rtn", new RandomModel(RandomModel.Llama(layers: 1), 32, 8, null), scheme: scheme).Blocks);

    [Fact]
    public void AStaticScaleHasNoGroups()
    {
        MethodUsageException e = Assert.Throws<MethodUsageException>(() => MethodRun.Quantize("smoothquant", new RandomModel(RandomModel.Llama(), 32, 8, null), scheme: "W8A8a32", named: new() { ["level"] = "O3" }));
        Assert.Equal("level", e.Option);
    }

    [Fact]
    public void FormatOneHasNoneAndSaysSo()
    {
        QuantizationRequest request = new() { Model = "nowhere", Method = "rtn", Scheme = QuantizationScheme.Parse("W8A8a32"), Output = "nowhere-else", Format = 1 };
        MethodUsageException e = Assert.Throws<MethodUsageException>(() => QuantizationRun.Run(request));
        Assert.Equal("format", e.Option);
        Assert.Throws<MethodUsageException>(() => QuantizationRun.Run(request with { Format = 3 }));
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using Portable.Models.Architectures;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.Shaders;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>The arithmetic of tiles and of choices, on invented devices: no Vulkan needed.</summary>
public sealed class PlannerTests
{
    private static readonly CooperativeMatrixShape Wide = new(16, 16, 32, MatrixElement.Int8, MatrixElement.Int8, MatrixElement.Int32);

    private static readonly CooperativeMatrixShape Halves = new(16, 16, 16, MatrixElement.Float16, MatrixElement.Float16, MatrixElement.Float32);

    private static readonly VulkanDeviceFacts Nvidia = new()
    {
        VendorId = 0x10DE,
        Name = "nvidia-like", Kind = VulkanDeviceKind.Discrete, SubgroupSize = 32, SharedMemoryBytes = 49152, MaximumInvocations = 1024, DotProduct = true, CooperativeMatrix = true,
        Matrices = [Wide, Wide with { N = 8 }, Halves, Halves with { N = 8 }, Wide with { Workgroup = true, Invocations = 128 }],
    };

    private static readonly VulkanDeviceFacts Amd = Nvidia with { Name = "amd-like", VendorId = 0x1002, SubgroupSize = 64, SharedMemoryBytes = 65536, Matrices = [Wide with { K = 16 }, Halves] };
    private static readonly VulkanDeviceFacts Software = Nvidia with { Name = "software", Kind = VulkanDeviceKind.Cpu, SubgroupSize = 8, SharedMemoryBytes = 32768, Matrices = [Wide with { M = 8, N = 8, K = 8 }, Halves with { M = 8, N = 8, K = 8 }] };

    private static readonly VulkanDeviceFacts Intel = Nvidia with
    {
        Name = "intel-like", VendorId = 0x8086, SubgroupSize = 32, MinimumSubgroupSize = 16, SharedMemoryBytes = 65536, Matrices = [Wide with { M = 8 }, Halves with { M = 8 }],
    };

    private static readonly VulkanDeviceFacts Adreno = Nvidia with { Name = "adreno-like", VendorId = 0x5143, SubgroupSize = 64, SharedMemoryBytes = 32768, CooperativeMatrix = false, Matrices = [] };

    public static TheoryData<string> Devices => ["nvidia-like", "amd-like", "software", "intel-like", "adreno-like"];

    /// <summary>A model is tuned for the matrices that it multiplies: what reads one input is one.</summary>
    [Fact]
    public void TuningAShapeTakesWhatItsBlocksMultiply()
    {
        (int N, int K, string Scheme, int[] Tokens)[] problems = [.. MatmulTuner.Problems(ModelShapes.Find("llama-3-8b"), QuantizationScheme.Parse("W4A8KV8H8"))];
        Assert.Equal([(6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336)], problems.Select(p => (p.N, p.K)));
        Assert.All(problems, p => Assert.Equal("W4A8", p.Scheme));
        Assert.All(problems, p => Assert.Contains(1, p.Tokens));
    }

    /// <summary>Small tiles of many outputs are more workgroups than a dispatch may have: they are neither taken nor timed.</summary>
    [Fact]
    public void WhatIsTimedFitsInOneDispatch()
    {
        MatmulProblem problem = new(2048, 12288, new GroupLayout(4096, 128), new CodeFormat(6, true), new CodeFormat(6, true));
        VulkanDeviceFacts device = Nvidia with { MaximumWorkgroups = 4096 };
        Assert.Contains(MatmulTechniques.Named("coopmat").Candidates(device, problem), kernel => !kernel.FitsOn(device));
        MatmulPlan[] timed = [.. MatmulCandidates.Of(device, problem)];
        Assert.NotEmpty(timed);
        Assert.All(timed, kernel => Assert.True(kernel.FitsOn(device), kernel.Label));
    }

    /// <summary>A software device has matrices of halves and is slower with them; without f64 nothing calibrates.</summary>
    [Fact]
    public void WhatADeviceTrainsInIsNamedTheFastestFirst()
    {
        VulkanDeviceFacts Halved(VulkanDeviceFacts device) => device with { ShaderFloat16 = true, ShaderFloat64 = true };
        Assert.Equal(["f16x3", "f32"], VulkanCalibration.ArithmeticsOf(Halved(Nvidia)));
        Assert.Equal(["f32", "f16x3"], VulkanCalibration.ArithmeticsOf(Halved(Software)));
        Assert.Equal(["f32"], VulkanCalibration.ArithmeticsOf(Halved(Adreno)));
        Assert.Empty(VulkanCalibration.ArithmeticsOf(Halved(Nvidia) with { ShaderFloat64 = false }));
    }

    /// <summary>LLVM takes minutes over products that are unrolled, whatever kind its device says it is.</summary>
    [Theory]
    [InlineData("llvmpipe Mesa 26.2", false)]
    [InlineData("NVIDIA 580.1", true)]
    public void ProductsAreUnrolledWhereTheCompilerIsMadeForIt(string driver, bool unrolled)
    {
        VulkanDeviceFacts device = Nvidia with { Driver = driver };
        MatmulProblem problem = new(64, 4096, new GroupLayout(4096, 0), new CodeFormat(4, true), new CodeFormat(8, true));
        Assert.All(MatmulTechniques.Named("coopmat").Candidates(device, problem), k => Assert.Equal(unrolled, ((CoopmatShader)k.ShaderFor(problem)).Unrolled));
    }

    // What the vendors' compilers keep in registers.
    [Fact]
    public void KernelsStayInsideOfTheBudgetOfTheirDevice()
    {
        Assert.Equal(16, DeviceBudget.For(Intel).MatrixSubgroup);
        Assert.Equal(32, DeviceBudget.For(Intel with { RequiresSubgroupSizes = false }).MatrixSubgroup);
        Assert.Equal(512, DeviceBudget.For(Amd).RowInvocations);
        Assert.Equal(1024, DeviceBudget.For(Nvidia with { VendorId = 0x10DE, Driver = "NVIDIA 580.1" }).RowInvocations);
        Assert.Equal(256, DeviceBudget.For(Nvidia with { VendorId = 0x10DE, Driver = "NVK Mesa 26" }).RowInvocations);
        foreach (VulkanDeviceFacts device in new[] { Intel, Adreno })
        {
            MatmulProblem problem = new(256, 4096, new GroupLayout(4096, 0), new CodeFormat(4, true), new CodeFormat(8, true));
            foreach (MatmulPlan kernel in MatmulTechniques.All.Where(t => t.Refusal(device, problem) is null).SelectMany(t => t.Candidates(device, problem)))
            {
                Assert.True(kernel.Technique != "dot" || kernel.Shader.WorkgroupSize <= 256, kernel.Label);
                Assert.True(kernel.Shader is not DotShader d || device != Intel || d.Tokens <= 4, kernel.Label);
                Assert.True(kernel.Shader is not CoopmatShader c || (c.Subgroup == 16 && c.WM * c.WN / c.Subgroup <= 40), kernel.Label);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void EveryCandidateFitsItsDevice(string name)
    {
        VulkanDeviceFacts device = Device(name);
        foreach (int m in new[] { 1, 7, 8, 64, 1000 })
        {
            foreach (int group in new[] { 0, 64, 128 })
            {
                foreach (int bits in new[] { 8, 16 })
                {
                    var problem = new MatmulProblem(m, 4096, new GroupLayout(4096, group), new CodeFormat(6, true), new CodeFormat(bits, true));
                    foreach (MatmulTechnique technique in MatmulTechniques.All)
                    {
                        MatmulPlan[] kernels = [.. technique.Candidates(device, problem)];
                        Assert.Equal(technique.Refusal(device, problem) is null, kernels.Length > 0);
                        Assert.Equal(kernels.Length, kernels.Select(k => k.Label).Distinct().Count());
                        Assert.All(kernels, k => Assert.True(k.GroupsX > 0 && k.GroupsY > 0 && k.Shader.WorkgroupSize <= device.MaximumInvocations));
                    }
                }
            }
        }
    }

    // The last of several workgroups along K finds the others' sums in scratch memory: it must hold all of them.
    [Theory]
    [MemberData(nameof(Devices))]
    public void SplitsOfKAreOfferedForFewChannelsOnly(string name)
    {
        VulkanDeviceFacts device = Device(name);
        foreach (int group in new[] { 0, 128 })
        {
            foreach (int m in new[] { 1, 8, 16 })
            {
                var problem = new MatmulProblem(m, 1000, new GroupLayout(8192, group), new CodeFormat(4, true), new CodeFormat(8, true));
                MatmulPlan[] split = [.. MatmulTechniques.Named("dot").Candidates(device, problem).Where(k => k.Splits > 1)];
                Assert.NotEmpty(split);
                Assert.All(split, k => Assert.True(k.ScratchBytes >= 4096 + 4L * m * problem.N * problem.Layout.Groups && k.GroupsX * k.GroupsY <= 1024, k.Label));
                Assert.Equal(1, MatmulTechniques.Named("dot").Candidates(device, problem).First().Splits);
            }
        }

        var wide = new MatmulProblem(1, 1 << 16, new GroupLayout(4096), new CodeFormat(4, true), new CodeFormat(8, true));
        Assert.All(MatmulTechniques.Named("dot").Candidates(device, wide), k => Assert.Equal(1, k.Splits));
    }

    // Parts of all workgroups along K lie side by side.
    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    [InlineData(64)]
    public void FewTokensAndChannelsShareKOfMatrices(int m)
    {
        MatmulTechnique coopmat = MatmulTechniques.Named("coopmat");
        VulkanDeviceFacts device = Nvidia with { Driver = "NVIDIA 580.1" };
        var problem = new MatmulProblem(m, 4096, new GroupLayout(11008), new CodeFormat(4, true), new CodeFormat(8, true));
        MatmulPlan[] kernels = [.. coopmat.Candidates(device, problem)];
        Assert.Equal(4, kernels[0].Splits);
        Assert.All(kernels.Where(k => k.Splits > 1), k =>
        {
            Assert.Equal("coopmat split", k.Proof);
            Assert.True(k.ScratchBytes >= 4096 + (4L * m * problem.N * k.Splits) && k.GroupsX <= 1024, k.Label);
        });
        Assert.Equal(1, coopmat.Candidates(device, problem with { N = 12288 }).First().Splits);
        Assert.Equal(1, coopmat.Candidates(Amd, problem).First().Splits);
        foreach (MatmulProblem whole in new[] { problem with { M = 65 }, problem with { Layout = new GroupLayout(11008, 128) } })
        {
            Assert.All(coopmat.Candidates(device, whole), k => Assert.Equal(1, k.Splits));
        }
    }

    [Fact]
    public void ATileKnowsItsSizes()
    {
        var problem = new MatmulProblem(512, 4096, new GroupLayout(4096), new CodeFormat(6, true), new CodeFormat(8, true));
        var tile = new MatrixTile(Wide, 32, 128, 128, 64, 64, 1, 2);
        Assert.Equal(128, tile.Invocations);
        Assert.Equal(128, tile.Accumulators(1, grouped: false));

        // Two stages of 256 rows of 80 bytes, and 128 × (3 + 3) epilogue values.
        Assert.Equal(2 * 256 * 80 + 4 * 128 * 6, tile.SharedBytes(problem));
        Assert.Null(tile.Refusal(Nvidia, problem));
        Assert.Equal("too much shared memory", (tile with { BN = 256, Stages = 2 }).Refusal(Nvidia, problem));
        Assert.Equal("too many accumulators", tile.Refusal(Nvidia, problem with { Layout = new GroupLayout(4096, 128) }));
        Assert.Equal("a step would straddle scale groups", (tile with { WM = 32, StepBlocks = 2, Stages = 1 }).Refusal(Nvidia, problem with { Layout = new GroupLayout(4096, 64) }));
        // Of each step an invocation holds 4 vectors of activations and a block of 6-bit weights; beside 128 sums there is room for two such steps.
        Assert.Equal((4 * 4) + (2 * 6), tile.Held(problem));
        Assert.Null((tile with { Stages = 1, Sets = 2 }).Refusal(Nvidia, problem));
        Assert.Equal("no room for a second step in registers", (tile with { Sets = 2 }).Refusal(Nvidia, problem));
        Assert.Equal("no room for a second step in registers", (tile with { Stages = 1, StepBlocks = 2, Sets = 2 }).Refusal(Nvidia, problem));
        Assert.Equal("the tile is no multiple of the matrix", (tile with { WM = 24 }).Refusal(Nvidia, problem));
    }

    [Theory]
    [InlineData(1, 12288, "8x32/16x8x32 s8 a2")]
    [InlineData(8, 4096, "8x32/16x8x32 s16 a2")]
    [InlineData(9, 12288, "16x32/16x8x32 s16 a1")]
    [InlineData(64, 12288, "32x64/16x8x32 s8 a1")]
    public void StreamedTilesFollowTheTokens(int tokens, int channels, string first)
    {
        VulkanDeviceFacts device = Nvidia;
        var problem = new MatmulProblem(tokens, channels, new GroupLayout(4096, 128), new CodeFormat(6, true), new CodeFormat(6, true));
        StreamTile[] tiles = [.. CooperativeStreamTechnique.Tiles(device, problem)];
        Assert.Equal(first, tiles[0].ToString());
        Assert.All(tiles, tile =>
        {
            Assert.Null(tile.Refusal(device, problem));
            Assert.InRange(tile.SharedBytes(1), 1, device.SharedMemoryBytes);
            Assert.Equal(0, tile.Channels * tile.Tokens / (tile.Matrix.M * tile.Matrix.N) % tile.Batch(1));
        });

        // 8 subgroups with 40 rows of half a block, three vectors each; 8 sums, two blocks of 6 bits and two vectors of activations.
        var tile = new StreamTile(Wide with { N = 8 }, 32, 8, 1, 8, 2);
        Assert.Equal(8 * 40 * 48, tile.SharedBytes(1));
        Assert.Equal(8 + (2 * (12 + 4)), tile.Held(problem));
        Assert.Equal("too many registers", (tile with { Slices = 16, Tokens = 64, RowTiles = 2 }).Refusal(device, problem));
        Assert.Equal("too much shared memory", (tile with { Tokens = 32, RowTiles = 2, Slices = 12, Sets = 1 }).Refusal(device, problem));
        Assert.Equal("the tile is no multiple of the matrix", (tile with { Tokens = 12 }).Refusal(device, problem));
        Assert.Contains("tokens", MatmulTechniques.Named("coopmat_stream").Refusal(device, problem with { M = 129 }), StringComparison.Ordinal);
    }

    // Every choice that comes with the assembly is a kernel that its problem has; a stale one would be passed over in silence.
    [Fact]
    public void ShippedChoicesAreCandidates()
    {
        Assert.NotEmpty(ShippedChoices.All);
        foreach ((_, IReadOnlyDictionary<string, string> choices) in ShippedChoices.All)
        {
            Assert.NotEmpty(choices);
            Assert.All(choices, choice =>
            {
                Match key = Regex.Match(choice.Key, @"^w(\d) d(\d) g(\d+) z(\d)(\d)\|(\d+)\|(\d+)\|(\d+)$");
                int[] v = [.. key.Groups.Values.Skip(1).Select(g => int.Parse(g.Value, CultureInfo.InvariantCulture))];
                var problem = new MatmulProblem(
                    v[5], v[6], new GroupLayout(v[7], v[2] * GroupLayout.BlockSize), new CodeFormat(v[0], v[3] == 0), new CodeFormat(v[1] == 2 ? 16 : 8, v[4] == 0), WeightZeros: v[3] == 1);
                Assert.Equal(choice.Key, TunedChoices.KeyOf(problem));
                Assert.Contains(choice.Value, MatmulTechniques.Supported(Nvidia, problem).SelectMany(t => t.Candidates(Nvidia, problem)).Select(k => k.Label));
            });
        }
    }

    [Fact]
    public void ADeviceTakesTheChoicesOfItsFamily()
    {
        Assert.NotEmpty(ShippedChoices.For("NVIDIA H200"));
        Assert.NotEmpty(ShippedChoices.For("NVIDIA H100 80GB HBM3"));
        Assert.Empty(ShippedChoices.For("llvmpipe (LLVM 22.1.8, 256 bits)"));
    }

    [Fact]
    public void MatricesOfOtherTypesAndScopesAreNotTaken()
    {
        var problem = new MatmulProblem(512, 4096, new GroupLayout(4096), new CodeFormat(6, true), new CodeFormat(8, true));
        MatmulTechnique coopmat = MatmulTechniques.Named("coopmat");
        Assert.NotNull(coopmat.Refusal(Nvidia with { Matrices = [.. Nvidia.Matrices.Where(s => !s.IsSignedByte || s.Workgroup)] }, problem));
        Assert.All(coopmat.Candidates(Nvidia, problem), k => Assert.DoesNotContain("16x16x16", k.Label, StringComparison.Ordinal));
    }

    [Fact]
    public void MaskedFeaturesAreGoneAndUnknownOnesRefused()
    {
        VulkanDeviceFacts poor = FeatureMask.Parse("coopmat, dot,storage16").Apply(Nvidia with { Storage16 = true });
        Assert.False(poor.CooperativeMatrix || poor.DotProduct || poor.Storage16 || poor.Matrices.Count > 0);
        var problem = new MatmulProblem(64, 4096, new GroupLayout(4096), new CodeFormat(6, true), new CodeFormat(8, true));
        Assert.Equal(["naive", "popcount"], MatmulTechniques.Supported(poor, problem).Select(t => t.Name));
        Assert.Equal(12L << 30, FeatureMask.Parse("memory12").Apply(Nvidia with { MemoryBytes = 80L << 30 }).MemoryBytes);
        Assert.Equal(8L << 30, FeatureMask.Parse("memory12").Apply(Nvidia with { MemoryBytes = 8L << 30 }).MemoryBytes);
        Assert.Throws<FormatException>(() => FeatureMask.Parse("memory0"));
        Assert.Contains("'tensor'", Assert.Throws<FormatException>(() => FeatureMask.Parse("tensor")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheBestUsableDeviceIsChosenAndOthersByIndexOrName()
    {
        VulkanDeviceFacts[] devices =
        [
            Software with { Index = 0 }, Amd with { Index = 1, Kind = VulkanDeviceKind.Integrated }, Nvidia with { Index = 2, Refusal = "the driver lacks synchronization2" },
        ];
        Assert.Equal(1, VulkanDevices.Choose(devices, null).Index);
        Assert.Equal(0, VulkanDevices.Choose(devices, "SOFT").Index);
        Assert.Equal(1, VulkanDevices.Choose(devices, "1").Index);
        Assert.Contains("synchronization2", Assert.Throws<VulkanException>(() => VulkanDevices.Choose(devices, "nvidia")).Message, StringComparison.Ordinal);
        Assert.Contains("amd-like", Assert.Throws<VulkanException>(() => VulkanDevices.Choose(devices, "7")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoLoaderNoDriverAnOldDriverAndAPoorDeviceAreToldApart()
    {
        string[] reasons =
        [
            VulkanRefusals.NoLoader(["libvulkan.so.1"]), VulkanRefusals.OldLoader(new Version(1, 0)), VulkanRefusals.NoDriver,
            VulkanRefusals.OldDriver(new Version(1, 2)), VulkanRefusals.MissingFeatures(["timelineSemaphore", "maintenance4"]),
        ];
        Assert.Equal(reasons.Length, reasons.Distinct().Count());
        Assert.All(reasons, r => Assert.DoesNotContain('\n', r));
        Assert.Contains("install", reasons[0], StringComparison.Ordinal);
        Assert.Contains("loader is of version 1.0", reasons[1], StringComparison.Ordinal);
        Assert.Contains("no driver; install", reasons[2], StringComparison.Ordinal);
        Assert.Contains("update the driver", reasons[3], StringComparison.Ordinal);
        Assert.Contains("lacks timelineSemaphore, maintenance4", reasons[4], StringComparison.Ordinal);
    }

    [Fact]
    public void ASoftwareDeviceIsNamedAsSlow()
    {
        Assert.Contains("several times slower", Software.Caution, StringComparison.Ordinal);
        Assert.Null(Nvidia.Caution);
        Assert.Null((Amd with { Kind = VulkanDeviceKind.Integrated }).Caution);
    }

    private static VulkanDeviceFacts Device(string name) => new[] { Nvidia, Amd, Software, Intel, Adreno }.First(d => d.Name == name);
}

using System.Runtime.CompilerServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>
/// Products of f32 matrices on a device, to the bits of <see cref="FloatGemm"/>: every output is sequential in k and fused. Vulkan
/// lets fma() round twice; a device is asked once, and one that does so takes the kernels that compute the fused sum by way of f64.
/// </summary>
internal sealed class FloatArithmetic
{
    private static readonly ConditionalWeakTable<VulkanContext, FloatArithmetic> Known = [];

    // Of large products; which is fastest is a matter of registers and compilers. The first is taken where nothing is measured.
    private static readonly FloatTile[] LargeTiles = [new(128, 64, 16, 8, 8), new(128, 64, 8, 8, 8), new(128, 128, 16, 8, 8), new(128, 128, 8, 16, 8), new(128, 128, 8, 8, 16)];
    private readonly VulkanDeviceFacts _facts;

    private FloatArithmetic(VulkanDeviceFacts facts, bool emulated) => (_facts, Emulated) = (facts, emulated);

    /// <summary>Whether fused sums are computed by way of f64.</summary>
    public bool Emulated { get; }

    /// <summary>Tiles of large products that the device has the memory for.</summary>
    public IReadOnlyList<FloatTile> Tiles => [.. LargeTiles.Where(t => t.SharedBytes <= _facts.SharedMemoryBytes)];

    /// <summary>The tile of large products with K along the rows of the left operand.</summary>
    public FloatTile Rows { get; private set; } = LargeTiles[0];

    /// <summary>The tile of those with K down its columns, and of sums over rows.</summary>
    public FloatTile Columns { get; private set; } = LargeTiles[0];

    /// <summary>The arithmetic of a device, tried out the first time.</summary>
    /// <exception cref="VulkanException">The device computes the CPU's bits in neither way, or lacks f64.</exception>
    public static FloatArithmetic Of(VulkanContext gpu) => Known.GetValue(gpu, Try);

    /// <summary>The kernel of a product.</summary>
    /// <param name="type">Element type of an N×K right operand.</param>
    /// <param name="aColumns">Whether the left operand is K×M.</param>
    /// <param name="bColumns">Whether the right operand is K×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    public FloatGemmShader Gemm(TableType type, bool aColumns, bool bColumns, int m, int n, int k)
    {
        FloatGemmConstants constants = FloatGemmConstants.For(type, TileFor(m, aColumns), aColumns, bColumns, m, n, k);
        return Emulated ? new EmulatedGemmShader { Gemm = constants } : new FusedGemmShader { Gemm = constants };
    }

    /// <summary>The kernel of Σ x·xᵀ, or of Σ x·yᵀ.</summary>
    /// <param name="size">Columns of x.</param>
    /// <param name="columns">Columns of y.</param>
    /// <param name="rows">Rows of both.</param>
    /// <param name="run">Rows that are summed in f32.</param>
    /// <param name="upper">Whether y is x.</param>
    public GramShader Gram(int size, int columns, int rows, int run, bool upper)
    {
        FloatGemmConstants constants = FloatGemmConstants.For(TableType.Float32, TileFor(size, columns: true), true, true, size, columns, rows);
        return Emulated ? new EmulatedGramShader { Gemm = constants, Run = run, Upper = upper } : new FusedGramShader { Gemm = constants, Run = run, Upper = upper };
    }

    /// <summary>Records y (M×N) = a·b (+ bias) (+ y).</summary>
    public static void Record(CommandRecorder recorder, FloatGemmShader shader, in FloatGemmPush push)
    {
        (int x, int y) = shader.Gemm.Tile.Workgroups((int)push.M, (int)push.N);
        recorder.Dispatch(shader, push, x, y);
    }

    private FloatTile TileFor(int m, bool columns) => _facts.Kind == VulkanDeviceKind.Cpu ? new FloatTile(32, 32, 16, 4, 8)
        : m <= 64 ? new FloatTile(64, 64, 16, 4, 4)
        : columns ? Columns
        : Rows;

    /// <summary>Takes the tiles with which large products are fastest; no tile changes a bit.</summary>
    private void ChooseTiles(VulkanContext gpu)
    {
        if (gpu.Facts.Kind != VulkanDeviceKind.Discrete || gpu.Facts.TimestampPeriod <= 0)
        {
            return;
        }

        const int M = 2048, N = 4096, K = 4096, Run = 512;
        FloatGemmShader Product(FloatTile tile) => Gemm(TableType.BFloat16, false, false, M, N, K) with { Gemm = FloatGemmConstants.For(TableType.BFloat16, tile, false, false, M, N, K) };
        GramShader Sums(FloatTile tile) => Gram(M, M, M, Run, upper: false) with { Gemm = FloatGemmConstants.For(TableType.Float32, tile, true, true, M, M, M) };
        gpu.BuildAhead(Tiles.SelectMany(t => (Action[])[() => gpu.Pipeline(Product(t)), () => gpu.Pipeline(Sums(t))]));
        using GpuBuffer a = gpu.Allocate(4L * M * K), b = gpu.Allocate(2L * N * K), y = gpu.Allocate(4L * M * N);
        gpu.Run(r => r.Fill(a, 0, a.Size, 0x3F9D70A4).Fill(b, 0, b.Size, 0x3E123E45).Fill(y, 0, y.Size, 0));
        Rows = Fastest(gpu, (r, tile) => Record(r, Product(tile), new FloatGemmPush(a.Address, b.Address, 0, y.Address, M, N, K, N)));
        Columns = Fastest(gpu, (r, tile) =>
        {
            (int across, int down) = tile.Workgroups(M, M);
            r.Dispatch(Sums(tile), new GramPush(a.Address, a.Address, y.Address, M, M, M), across, down);
        });
    }

    private FloatTile Fastest(VulkanContext gpu, Action<CommandRecorder, FloatTile> record)
    {
        const int Rounds = 4;
        using TimestampPool stamps = gpu.CreateTimestamps(2);
        (double best, FloatTile fastest) = (double.MaxValue, Tiles[0]);
        for (int round = 0; round < Rounds; round++)
        {
            foreach (FloatTile tile in Tiles)
            {
                stamps.Reset();
                gpu.Run(r =>
                {
                    r.Timestamp(stamps, 0);
                    record(r, tile);
                    r.Timestamp(stamps, 1);
                });
                double[] times = stamps.ReadNanoseconds(2);

                // What is first measured waits for clocks and caches.
                if (round > 0 && times[1] - times[0] < best)
                {
                    (best, fastest) = (times[1] - times[0], tile);
                }
            }
        }

        return fastest;
    }

    private static FloatArithmetic Try(VulkanContext gpu)
    {
        if (!gpu.Facts.ShaderFloat64)
        {
            throw new VulkanException($"{gpu.Facts.Name} has no f64 arithmetic, in which calibration sums what batches give; use the device cpu.");
        }

        // Products whose last bits matter: sums of both signs, of many magnitudes.
        const int M = 36, N = 44, K = 80;
        SplitMix64 random = new(25);
        float[] a = Random(M * K), b = Random(N * K), expected = new float[M * N], got = new float[M * N];
        FloatGemm.Multiply(a, b, expected, M, N, K);
        using GpuBuffer left = gpu.Allocate<float>(a), right = gpu.Allocate<float>(b), leftColumns = gpu.Allocate<float>(Transposed(a, M)), rightColumns = gpu.Allocate<float>(Transposed(b, N)), y = gpu.Allocate(4L * got.Length);
        bool Equal(FloatArithmetic arithmetic, bool columns, FloatTile? tile)
        {
            FloatGemmShader shader = arithmetic.Gemm(TableType.Float32, columns, columns, M, N, K);
            shader = tile is { } own ? shader with { Gemm = FloatGemmConstants.For(TableType.Float32, own, columns, columns, M, N, K) } : shader;
            gpu.Run(r => Record(r, shader, new FloatGemmPush((columns ? leftColumns : left).Address, (columns ? rightColumns : right).Address, 0, y.Address, M, N, K, N)));
            gpu.Download<float>(y, got);
            return ResultBits.Wrong(expected, got) == 0;
        }

        foreach (bool emulated in (bool[])[false, true])
        {
            FloatArithmetic arithmetic = new(gpu.Facts, emulated);
            if (Equal(arithmetic, columns: false, null))
            {
                arithmetic.ChooseTiles(gpu);
                return Equal(arithmetic, columns: false, arithmetic.Rows) && Equal(arithmetic, columns: true, arithmetic.Columns)
                    ? arithmetic
                    : throw new VulkanException($"{gpu.Facts.Name} gives large products of f32 other bits than small ones; use the device cpu.");
            }
        }

        throw new VulkanException($"{gpu.Facts.Name} does not compute f32 products to the CPU's bits, neither by its fused multiply-add nor in f64; use the device cpu.");

        static float[] Transposed(float[] x, int rows) => [.. Enumerable.Range(0, x.Length).Select(i => x[(i % rows * (x.Length / rows)) + (i / rows)])];

        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.Next(1 << 24) - (1 << 23)) * MathF.ScaleB(1, -random.Next(30)))];
    }
}

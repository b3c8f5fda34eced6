using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Benchmarking;

/// <summary>A product of f32 matrices by one tile.</summary>
/// <param name="Product">Which product.</param>
/// <param name="M">Rows.</param>
/// <param name="N">Columns.</param>
/// <param name="K">Summands of each.</param>
/// <param name="Tile">The tile, M × N × K of a workgroup and M × N of an invocation.</param>
/// <param name="Registers">Registers of an invocation as the driver counts, 0 where it does not tell.</param>
/// <param name="Spills">Registers that went to memory.</param>
/// <param name="Microseconds">Time of one.</param>
/// <param name="Tflops">10^12 operations per second, two a multiply-add.</param>
/// <param name="Taken">Whether calibration and training take this tile.</param>
internal sealed record FloatProductRow(string Product, int M, int N, int K, string Tile, long Registers, long Spills, double Microseconds, double Tflops, bool Taken);

/// <summary>Times the f32 products of calibration and training on a device, by every tile.</summary>
internal sealed class FloatProductBenchmark : IDisposable
{
    private const int Rounds = 3;
    private readonly VulkanContext _gpu;
    private readonly FloatArithmetic _arithmetic;
    private readonly GpuBuffer _left, _right, _sums;
    private readonly IReadOnlyList<(int M, int N, int K)> _shapes;

    /// <summary>Makes operands for the largest of some shapes.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="shapes">Layers: M tokens, N outputs, K inputs.</param>
    public FloatProductBenchmark(VulkanContext gpu, IReadOnlyList<(int M, int N, int K)> shapes)
    {
        (_gpu, _shapes, _arithmetic) = (gpu, shapes, FloatArithmetic.Of(gpu));
        long most = shapes.Max(s => Math.Max(Math.Max((long)s.M * s.K, (long)s.M * s.N), (long)s.N * s.K)), sums = shapes.Max(s => Math.Max((long)s.M * s.N, Math.Max((long)s.K * s.K * 2, (long)s.N * s.K)));
        _left = gpu.Allocate(sizeof(float) * most);
        _right = gpu.Allocate(sizeof(float) * most);
        _sums = gpu.Allocate(sizeof(float) * sums);

        // Halves of a word are numbers of like size as bf16 too.
        Random random = new(1);
        uint[] values = new uint[1 << 22];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Half() | (Half() << 16);
        }

        foreach (GpuBuffer buffer in (GpuBuffer[])[_left, _right])
        {
            for (long done = 0; done < buffer.Size / sizeof(uint); done += values.Length)
            {
                gpu.Upload<uint>(values.AsSpan(0, (int)Math.Min(values.Length, (buffer.Size / sizeof(uint)) - done)), buffer, done * sizeof(uint));
            }
        }

        uint Half() => BitConverter.SingleToUInt32Bits((float)(random.NextDouble() - 0.5)) >> 16;
    }

    /// <summary>Times every product of every shape.</summary>
    public IReadOnlyList<FloatProductRow> Run(CancellationToken cancellation)
    {
        (string Product, int M, int N, int K, FloatTile Tile, Shader Shader, Action<CommandRecorder> Record)[] all = [.. _shapes.SelectMany(s => Products(s.M, s.N, s.K))];
        _gpu.BuildAhead(all.Select(p => (Action)(() => _gpu.Pipeline(p.Shader))));
        using TimestampPool stamps = _gpu.CreateTimestamps(2);
        List<FloatProductRow> rows = [];
        foreach ((string product, int m, int n, int k, FloatTile tile, Shader shader, Action<CommandRecorder> record) in all)
        {
            cancellation.ThrowIfCancellationRequested();
            double best = stamps.Fastest(_gpu, Rounds, record);
            PipelineStatistics statistics = _gpu.Pipeline(shader).Statistics;
            string name = $"{tile.TileM}x{tile.TileN}x{tile.TileK} {tile.MicroM}x{tile.MicroN}";
            rows.Add(new FloatProductRow(product, m, n, k, name, statistics.Registers, statistics.Spills, best / 1000, 2.0 * m * n * k / best / 1000, tile == (product is "dW" or "sums" ? _arithmetic.Columns : _arithmetic.Rows)));
        }

        return rows;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
        _sums.Dispose();
    }

    private IEnumerable<(string Product, int M, int N, int K, FloatTile Tile, Shader Shader, Action<CommandRecorder> Record)> Products(int m, int n, int k)
    {
        foreach (FloatTile tile in _arithmetic.Tiles)
        {
            yield return Product("forward", TableType.BFloat16, false, false, m, n, k, tile);
            yield return Product("dX", TableType.Float32, false, true, m, k, n, tile);
            yield return Product("dW", TableType.Float32, true, true, n, k, m, tile);
            GramShader gram = _arithmetic.Gram(k, k, m, CpuExecutor.Rows, upper: false);
            GramShader sums = gram with { Gemm = FloatGemmConstants.For(TableType.Float32, tile, true, true, k, k, m) };
            (int across, int down) = tile.Workgroups(k, k);
            yield return ("sums", k, k, m, tile, sums, r => r.Dispatch(sums, new GramPush(_left.Address, _right.Address, _sums.Address, (uint)k, (uint)k, (uint)m), across, down));
        }
    }

    private (string Product, int M, int N, int K, FloatTile Tile, Shader Shader, Action<CommandRecorder> Record) Product(string name, TableType type, bool aColumns, bool bColumns, int m, int n, int k, FloatTile tile)
    {
        FloatGemmShader shader = _arithmetic.Gemm(type, aColumns, bColumns, m, n, k);
        shader = shader with { Gemm = FloatGemmConstants.For(type, tile, aColumns, bColumns, m, n, k) };
        return (name, m, n, k, tile, shader, r => FloatArithmetic.Record(r, shader, new FloatGemmPush(_left.Address, _right.Address, 0, _sums.Address, (uint)m, (uint)n, (uint)k, (uint)n)));
    }
}

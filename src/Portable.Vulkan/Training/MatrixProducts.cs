using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Training;

/// <summary>
/// Products by cooperative matrices of f16 with f32 sums: every operand is cut into two halves of 11 bits each, of which three products are
/// taken. An element is off by at most 2^-22 of itself or 2^-39 of its matrix's largest. The order of a sum is the matrix unit's own: the same
/// bytes on a device every time, not the CPU's.
/// </summary>
internal sealed class MatrixProducts : ITrainingProducts
{
    /// <summary>Name of the arithmetic.</summary>
    public const string Arithmetic = "f16x3";

    private readonly VulkanContext _gpu;
    private readonly TrainingKernels _kernels;
    private readonly TrainingMatrixTile _tile;
    private readonly GpuBuffer _largest;
    private GpuBuffer? _a, _b;
    private (TrainingProgram? Program, int Operations, ProductOperand A, int M, int K) _last;

    /// <summary>Prepares a device that <see cref="TileOf"/> finds a tile for.</summary>
    public MatrixProducts(VulkanContext gpu)
    {
        (_gpu, _kernels) = (gpu, new TrainingKernels(gpu));
        _tile = TileOf(gpu.Facts) ?? throw new ArgumentException($"{gpu.Facts.Name} has no matrices of f16 with f32 sums.");
        _largest = _kernels.Allocate(128);
    }

    /// <inheritdoc/>
    public string Name => Arithmetic;

    /// <summary>The tile for a device, or null where it lacks such matrices or cannot be told the size of its subgroups.</summary>
    public static TrainingMatrixTile? TileOf(VulkanDeviceFacts facts)
    {
        CooperativeMatrixShape? shape = facts.Matrices
            .Where(s => s.A == MatrixElement.Float16 && s.B == MatrixElement.Float16 && s.C == MatrixElement.Float32 && !s.Workgroup)
            .Where(s => s.M is 8 or 16 && s.N is 8 or 16 && s.K is 8 or 16 or 32)
            .OrderByDescending(s => s.M * s.N).ThenBy(s => s.K).FirstOrDefault();
        if (shape is null || !facts.ShaderFloat16 || !facts.KnowsSubgroupSize)
        {
            return null;
        }

        TrainingMatrixTile[] tiles = facts.Kind == VulkanDeviceKind.Cpu
            ? [new(shape.M, shape.N, shape.K, 32, 32, 16, 16)]
            : [new(shape.M, shape.N, shape.K, 128, 128, 64, 32), new(shape.M, shape.N, shape.K, 128, 64, 64, 32), new(shape.M, shape.N, shape.K, 64, 64, 32, 32)];
        foreach (TrainingMatrixTile tile in tiles)
        {
            if (tile.SharedBytes <= facts.SharedMemoryBytes && tile.Subgroups * facts.SubgroupSize <= facts.MaximumInvocations)
            {
                return tile;
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Add(TrainingProgram program, string name, ProductOperand a, ProductOperand b, ulong y, int m, int n, int k)
    {
        // Layers that read one input follow each other.
        bool same = _last == (program, program.Count, a, m, k) && _a is not null;
        GpuBuffer left = Room(ref _a, m, k), right = Room(ref _b, n, k);
        ulong largestA = _largest.Address, largestB = _largest.Address + 256;
        program.Add("halves", 0, r => r.Fill(_largest, same ? 256 : 0, same ? 4 : 260, 0));
        program.Add("halves", 0, r =>
        {
            if (!same)
            {
                Magnitude(r, a, largestA, m, k);
            }

            Magnitude(r, b, largestB, n, k);
        });
        program.Add("halves", 0, r =>
        {
            if (!same)
            {
                Split(r, a, largestA, left, m, k);
            }

            Split(r, b, largestB, right, n, k);
        });
        TrainingMatrixShader shader = new() { Subgroup = _gpu.Facts.SubgroupSize, Tile = _tile, Whole = m % _tile.BM == 0 && n % _tile.BN == 0 };
        TrainingMatrixPush push = new(left.Address, right.Address, largestA, largestB, y, (uint)m, (uint)n, (uint)k);
        program.Add(name, shader, push, (m + _tile.BM - 1) / _tile.BM * ((n + _tile.BN - 1) / _tile.BN), work: 2L * m * n * k);
        _last = (program, program.Count, a, m, k);
    }

    /// <inheritdoc/>
    public void Dispose() => _kernels.Dispose();

    private static void Magnitude(CommandRecorder recorder, ProductOperand x, ulong largest, int rows, int k)
    {
        uint count = checked((uint)((long)rows * k));
        recorder.Dispatch(new TrainingMagnitudeShader { Workgroup = 256, TableType = x.Type }, new TrainingMagnitudePush(x.Address, largest, count), (int)Math.Min(2048, (count + 1023) / 1024));
    }

    private static void Split(CommandRecorder recorder, ProductOperand x, ulong largest, GpuBuffer halves, int rows, int k)
    {
        (int down, int across) = x.Columns ? (k, rows) : (rows, k);
        TrainingSplitPush push = new(x.Address, largest, halves.Address, (uint)down, (uint)across);
        recorder.Dispatch(
            new TrainingSplitShader { Workgroup = 256, TableType = x.Type, Transposed = x.Columns }, push, (across + TrainingSplitShader.Tile - 1) / TrainingSplitShader.Tile, (down + TrainingSplitShader.Tile - 1) / TrainingSplitShader.Tile);
    }

    // Two halves of every element. Programs that were made before keep what they were given.
    private GpuBuffer Room(ref GpuBuffer? buffer, int rows, int k)
    {
        long values = (long)rows * ((k + TrainingSplitShader.Tile - 1) / TrainingSplitShader.Tile * TrainingSplitShader.Tile);
        return buffer is not null && buffer.Size >= 4 * values ? buffer : buffer = _kernels.Allocate(values);
    }
}

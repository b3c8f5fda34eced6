using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>Some rows of a matrix while they are quantized on the device.</summary>
internal sealed class WeightSlice : IDisposable
{
    private static readonly double[] Parts = [.. GridSearch.Cuts, .. GridSearch.Parts];
    private readonly VulkanContext _gpu;
    private readonly List<GpuBuffer> _buffers = [];
    private GpuBuffer? _packed, _parts, _a, _b, _c;

    /// <summary>Takes rows to the device.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="weights">The matrix.</param>
    /// <param name="codes">Its grids, where they are not searched.</param>
    /// <param name="first">The first row.</param>
    /// <param name="rows">Rows.</param>
    public WeightSlice(VulkanContext gpu, FloatTable weights, WeightCodes codes, int first, int rows)
    {
        (_gpu, First, Rows, Layout) = (gpu, first, rows, codes.Layout);
        try
        {
            int rowBytes = weights.Columns * ElementConversion.SizeOf(weights.Type);
            SourceType = weights.Type switch { ElementType.Float32 => TableType.Float32, ElementType.Float16 => TableType.Float16, _ => TableType.BFloat16 };
            Source = Keep((long)rows * rowBytes);
            for (int done = 0; done < rows;)
            {
                (int firstOfPiece, FloatTable piece) = weights.PieceOf(first + done);
                int from = first + done - firstOfPiece, count = Math.Min(rows - done, piece.Rows - from);
                gpu.Upload(piece.Data.Span.Slice(from * rowBytes, count * rowBytes), Source, (long)done * rowBytes);
                done += count;
            }

            Weights = Keep(4L * rows * Layout.Columns);
            Levels = Keep(8L * rows * Layout.Columns);
            Changes = Keep(8L * rows * ColumnsShader.Width);
            Grids = Keep(16L * rows * Layout.Groups);
            gpu.Upload<WeightGrid>(codes.Grids.AsSpan(first * Layout.Groups, rows * Layout.Groups), Grids);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The first row in the matrix.</summary>
    public int First { get; }

    /// <summary>Rows.</summary>
    public int Rows { get; }

    /// <summary>K and its groups.</summary>
    public GroupLayout Layout { get; }

    /// <summary>The weights as they are in the checkpoint.</summary>
    public GpuBuffer Source { get; }

    /// <summary>Their element type.</summary>
    public TableType SourceType { get; }

    /// <summary>What is quantized, f32.</summary>
    public GpuBuffer Weights { get; }

    /// <summary>code − zero point of every weight, f64.</summary>
    public GpuBuffer Levels { get; }

    /// <summary>What a panel of columns does to the others: rows × 64 f64.</summary>
    public GpuBuffer Changes { get; }

    /// <summary>A grid per row and group.</summary>
    public GpuBuffer Grids { get; }

    /// <summary>Rows × K f64.</summary>
    public GpuBuffer A => _a ??= Matrix();

    /// <summary>Rows × K f64.</summary>
    public GpuBuffer B => _b ??= Matrix();

    /// <summary>Rows × K f64.</summary>
    public GpuBuffer C => _c ??= Matrix();

    /// <summary>Allocates memory that goes with the slice.</summary>
    public GpuBuffer Keep(long bytes)
    {
        GpuBuffer buffer = _gpu.Allocate(bytes);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Memory that goes with the slice, filled.</summary>
    public GpuBuffer Keep<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        GpuBuffer buffer = _gpu.Allocate(values);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Zeros.</summary>
    public void Clear(Submissions work, GpuBuffer buffer) => work.Run(r => r.Fill(buffer, 0, buffer.Size, 0));

    /// <summary>Searches the grids of runs of columns.</summary>
    /// <param name="work">Where to.</param>
    /// <param name="search">The kind of grids.</param>
    /// <param name="weights">Rows × K f64.</param>
    /// <param name="importance">K f64, or 0: all alike.</param>
    /// <param name="first">First column of the first run.</param>
    /// <param name="group">Columns of a run.</param>
    /// <param name="firstGrid">Place of the first run's grid.</param>
    /// <param name="groups">Runs.</param>
    public void Search(Submissions work, GridKind search, ulong weights, ulong importance, int first, int group, int firstGrid, int groups)
    {
        if (_parts is null)
        {
            _parts = Keep(8L * Parts.Length);
            _gpu.Upload<double>(Parts, _parts);
        }

        GridSearchShader shader = new()
        {
            Symmetric = search.Symmetric, Levels = search.LargestCode, Halves = search.Scales == ScaleFormat.Half, Weighed = importance != 0, Cuts = GridSearch.Cuts.Length, Parts = GridSearch.Parts.Length,
        };
        GridSearchPush push = new(weights, importance, Grids.Address, _parts.Address, (uint)Layout.Columns, (uint)first, (uint)group, (uint)Layout.Groups, (uint)firstGrid);
        work.Run(r => r.Dispatch(shader, push, groups, Rows), 2000.0 * Rows * group * groups);
    }

    /// <summary>Makes codes of the levels.</summary>
    public void RecordCodes(Submissions work)
    {
        DescentShader shader = new() { Step = DescentStep.Codes };
        long words = (((long)Rows * Layout.Columns) + 1) / 2;
        _packed = Keep(4 * words);
        int groups = (int)((words + shader.Workgroup - 1) / shader.Workgroup), across = Math.Min(groups, 1 << 15);
        DescentPush push = new(0, 0, 0, Levels.Address, Grids.Address, 0, 0, 0, _packed.Address, 0, (uint)Rows, (uint)Layout.Columns, (uint)Layout.GroupSize, (uint)Layout.Groups);
        work.Run(r => r.Dispatch(shader, push, across, (groups + across - 1) / across));
    }

    /// <summary>Brings grids and codes back, once everything has run.</summary>
    public void Read(WeightCodes codes)
    {
        _gpu.Download(Grids, codes.Grids.AsSpan(First * Layout.Groups, Rows * Layout.Groups));
        _gpu.Download(_packed!, codes.Codes.AsSpan(First * Layout.Columns, Rows * Layout.Columns));
    }

    public void Dispose() => _buffers.ForEach(b => b.Dispose());

    private GpuBuffer Matrix() => Keep(8L * Rows * Layout.Columns);
}

using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Quantization;

/// <summary>How many weights share a grid.</summary>
public enum WeightGranularity
{
    /// <summary>The whole matrix.</summary>
    Tensor,

    /// <summary>An output channel.</summary>
    Channel,

    /// <summary>A group of columns of an output channel.</summary>
    Group,
}

/// <summary>
/// An N×K matrix of weight codes before packing: what every weight quantizer produces.
/// </summary>
public sealed class WeightCodes
{
    /// <summary>Allocates codes, all 0, on given grids.</summary>
    /// <param name="rows">N.</param>
    /// <param name="layout">K and its groups.</param>
    /// <param name="format">Format of the packed codes.</param>
    /// <param name="grids">A grid per row and group, [n × groups + group].</param>
    public WeightCodes(int rows, GroupLayout layout, CodeFormat format, WeightGrid[] grids)
    {
        ArgumentNullException.ThrowIfNull(grids);
        if (grids.Length != rows * layout.Groups)
        {
            throw new ArgumentException($"{grids.Length} grids do not fit {rows} rows × {layout.Groups} groups.", nameof(grids));
        }

        (Rows, Layout, Format, Grids) = (rows, layout, format, grids);
        Codes = new short[checked(rows * layout.Columns)];
    }

    /// <summary>N.</summary>
    public int Rows { get; }

    /// <summary>K and its groups.</summary>
    public GroupLayout Layout { get; }

    /// <summary>Format of the packed codes.</summary>
    public CodeFormat Format { get; }

    /// <summary>Codes, row-major N×K.</summary>
    public short[] Codes { get; }

    /// <summary>Grids, [n × groups + group].</summary>
    public WeightGrid[] Grids { get; }

    /// <summary>The grid of one weight.</summary>
    public WeightGrid Grid(int row, int column) => Grids[row * Layout.Groups + column / Layout.GroupSize];

    /// <summary>Finds the min-max grids of a matrix.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rows">N.</param>
    /// <param name="layout">K and its groups.</param>
    /// <param name="granularity">How many weights share a grid; coarser than the layout's groups repeats the grid.</param>
    /// <param name="find">Grid of a run of values (several runs of one grid are seen as one span where they are adjacent).</param>
    public static WeightGrid[] FindGrids(ReadOnlySpan<float> weights, int rows, GroupLayout layout, WeightGranularity granularity, Func<float[], WeightGrid> find)
    {
        ArgumentNullException.ThrowIfNull(find);
        WeightGrid[] grids = new WeightGrid[rows * layout.Groups];
        if (granularity == WeightGranularity.Tensor)
        {
            Array.Fill(grids, find(weights.ToArray()));
            return grids;
        }

        ForEachRow(weights, rows, layout.Columns, (n, row) =>
        {
            if (granularity == WeightGranularity.Channel)
            {
                Array.Fill(grids, find(row.ToArray()), n * layout.Groups, layout.Groups);
                return;
            }

            for (int g = 0; g < layout.Groups; g++)
            {
                grids[n * layout.Groups + g] = find(row.Slice(layout.FirstColumn(g), layout.ColumnsIn(g)).ToArray());
            }
        });
        return grids;
    }

    /// <summary>Rounds every weight to its grid.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rounding">Treatment of ties.</param>
    public void Round(ReadOnlySpan<float> weights, Rounding rounding = Rounding.HalfEven) => ForEachRow(weights, Rows, Layout.Columns, (n, row) =>
    {
        for (int g = 0; g < Layout.Groups; g++)
        {
            WeightGrid grid = Grids[n * Layout.Groups + g];
            int first = Layout.FirstColumn(g), end = first + Layout.ColumnsIn(g);
            for (int k = first; k < end; k++)
            {
                Codes[n * Layout.Columns + k] = (short)grid.Encode(row[k], rounding);
            }
        }
    });

    /// <summary>The matrix that the codes stand for, N×K in single precision.</summary>
    public float[] Decode()
    {
        float[] values = new float[Codes.Length];
        Decode(values);
        return values;
    }

    /// <summary>The same to memory that is there.</summary>
    /// <param name="values">Receives N×K values.</param>
    internal void Decode(float[] values) => WorkerPool.Run(Rows, n =>
    {
        for (int g = 0; g < Layout.Groups; g++)
        {
            WeightGrid grid = Grids[n * Layout.Groups + g];
            int first = n * Layout.Columns + Layout.FirstColumn(g), end = first + Layout.ColumnsIn(g);
            for (int i = first; i < end; i++)
            {
                values[i] = (float)grid.Decode(Codes[i]);
            }
        }
    });

    private delegate void RowAction(int n, ReadOnlySpan<float> row);

    private static unsafe void ForEachRow(ReadOnlySpan<float> weights, int rows, int columns, RowAction body)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, rows * columns);
        fixed (float* p = weights)
        {
            float* all = p;
            WorkerPool.Run(rows, n => body(n, new ReadOnlySpan<float>(all + (long)n * columns, columns)));
        }
    }

    /// <summary>Packs the codes into a layer, cut at the borders of the finer of weights' and activations' groups.</summary>
    /// <param name="bias">N values, or null.</param>
    /// <param name="input">The quantizer of the input.</param>
    public QuantizedLinear ToLinear(float[]? bias, ActivationQuantizer input)
    {
        ArgumentNullException.ThrowIfNull(input);
        GroupLayout cut = GroupLayout.Cut(Layout.Columns, Layout.Groups == 1 ? 0 : Layout.GroupSize, input.GroupSize);
        float[] scales = Array.ConvertAll(Grids, g => g.Scale);
        byte[]? zeros = Array.Exists(Grids, g => g.ZeroPoint != 0) ? Array.ConvertAll(Grids, g => (byte)g.ZeroPoint) : null;
        return new QuantizedLinear(BitPacking.Pack(Codes, Rows, cut, Format), scales, zeros, bias, input, Layout.GroupSize);
    }
}

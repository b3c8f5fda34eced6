using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Threading;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>Error tables of columns on the device: every step of every column is an invocation, which goes through the rows in their order.</summary>
/// <param name="gpu">The device.</param>
/// <param name="mostWork">f64 operations of one dispatch; 0 = what no watchdog minds.</param>
internal sealed class VulkanColumnErrors(VulkanContext gpu, double mostWork = 0) : IColumnErrors
{
    private const int Facts = 3;

    /// <inheritdoc/>
    public ErrorTable[] Tabulate(ColumnsToTabulate matrix, double[] energies, CancellationToken cancellation)
    {
        int columns = matrix.Columns, parts = matrix.MaximumParts, size = ErrorTable.StepCount * parts;
        double[] facts = new double[Facts * columns];
        for (int j = 0; j < columns; j++)
        {
            facts[(Facts * j) + 2] = energies[j];
        }

        using GpuBuffer weights = gpu.Allocate<float>(matrix.Weights), rows = gpu.Allocate<double>(matrix.RowWeights), inputs = gpu.Allocate<double>([.. matrix.InputEnergies, matrix.Share]);
        using GpuBuffer known = gpu.Allocate<double>(facts), sums = gpu.Allocate(8L * columns * size);
        ColumnErrorsPush push = new(weights.Address, rows.Address, inputs.Address, known.Address, 0, 0, sums.Address, (uint)columns, 0, 0, (uint)matrix.Q);
        Run(matrix, push, tables: false, 20, cancellation);
        gpu.Download<double>(known, facts);

        double[] errors = new double[checked(columns * size)], steps = new double[ErrorTable.StepCount * columns];
        uint[] counts = new uint[steps.Length];
        var tables = new ErrorTable[columns];
        WorkerPool.Run(columns, j =>
        {
            ErrorTable table = new(facts[Facts * j], facts[(Facts * j) + 1], matrix.Q, parts, errors, j * size);
            for (int i = 0; i < ErrorTable.StepCount; i++)
            {
                steps[(i * columns) + j] = ErrorTable.Step(table.First + i);
                counts[(i * columns) + j] = (uint)table.Parts(table.First + i);
            }

            (tables[j], energies[j]) = (table, facts[(Facts * j) + 2]);
        });
        using GpuBuffer stepsThere = gpu.Allocate<double>(steps), countsThere = gpu.Allocate<uint>(counts);
        Run(matrix, push with { Steps = stepsThere.Address, Parts = countsThere.Address }, tables: true, ErrorTable.StepCount * (12 + (5.0 * parts)), cancellation);
        gpu.Download<double>(sums, errors);
        WorkerPool.Run(columns, j => tables[j].Pad());
        return tables;
    }

    /// <summary>Goes through the rows, as many at a time as a watchdog should see.</summary>
    private void Run(ColumnsToTabulate matrix, ColumnErrorsPush push, bool tables, double operations, CancellationToken cancellation)
    {
        using Submissions work = new(gpu);
        ColumnErrorsShader shader = new() { Tables = tables, Parts = matrix.MaximumParts };
        int across = (matrix.Columns + shader.Workgroup - 1) / shader.Workgroup, most = (int)Math.Clamp((mostWork > 0 ? mostWork : work.MostWork) / (operations * matrix.Columns), 1, matrix.Rows);
        for (int first = 0; first < matrix.Rows; first += most)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(most, matrix.Rows - first);
            ColumnErrorsPush own = push with { FirstRow = (uint)first, Rows = (uint)count };
            work.Run(r => r.Dispatch(shader, own, across, tables ? ErrorTable.StepCount : 1), operations * matrix.Columns * count);
        }
    }
}

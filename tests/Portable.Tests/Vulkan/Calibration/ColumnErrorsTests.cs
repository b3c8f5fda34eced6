using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Tests.Support;
using Portable.Vulkan.Calibration;
using Xunit;

namespace Portable.Tests.Vulkan.Calibration;

/// <summary>The errors by which FlattenQuant searches ranges have the CPU's bits on the device.</summary>
[Collection("Vulkan")]
public sealed class ColumnErrorsTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData(1, 1, 7, 8, 0)]
    [InlineData(65, 130, 7, 8, 0)]
    [InlineData(65, 130, 7, 8, 1e6)]
    [InlineData(63, 31, 127, 1, 0)]
    [InlineData(200, 33, 127, 8, 1e6)]
    [InlineData(40, 300, 1, 8, 1)]
    public void TablesHaveTheCpusBits(int columns, int rows, int q, int parts, double mostWork)
    {
        Random random = new(columns + rows);
        float[] weights = [.. Enumerable.Range(0, columns * rows).Select(Weight)];
        double[] rowWeights = [.. Enumerable.Range(0, rows).Select(_ => Math.Exp(4 * random.NextDouble()))], inputs = [.. Enumerable.Range(0, columns).Select(j => j % 9 == 3 ? 0 : Math.Exp(8 * random.NextDouble() - 4))];
        double[] before = [.. Enumerable.Range(0, columns).Select(_ => random.NextDouble())];
        ColumnsToTabulate matrix = new(weights, rowWeights, inputs, 0.3, q, parts);
        (double[] energies, ErrorTable[] tables) = Tabulate(new ColumnErrors());
        (double[] energiesThere, ErrorTable[] there) = Tabulate(new VulkanColumnErrors(vulkan.Context, mostWork));
        AssertBits.Equal(energies, energiesThere);
        for (int j = 0; j < columns; j++)
        {
            Assert.Equal(tables[j].Top, there[j].Top);
            for (int i = tables[j].First - 1; i <= tables[j].Last + 1; i++)
            {
                Assert.Equal(tables[j].Parts(i), there[j].Parts(i));
                double[] errors = [.. Enumerable.Range(1, parts).Select(n => tables[j].Error(i, n))], errorsThere = [.. Enumerable.Range(1, parts).Select(n => there[j].Error(i, n))];
                AssertBits.Equal(errors, errorsThere);
                Assert.Equal(errors, Enumerable.Range(0, parts).Select(n => there[j].Errors(i)[n]));
            }
        }

        VulkanFixture.AssertNoValidationMessages();

        (double[], ErrorTable[]) Tabulate(IColumnErrors errors)
        {
            double[] raised = [.. before];
            return (raised, errors.Tabulate(matrix, raised, default));
        }

        // Columns of zeros, of powers of two and of the steps' own multiples, where quotients lie on borders; others random.
        float Weight(int i) => (i % columns % 5) switch
        {
            0 => MathF.Pow(2, random.Next(-8, 3)) * (random.Next(2) == 0 ? 1 : -1),
            1 => (random.Next(-64, 64) + 0.5f) / 32,
            2 => (float)ErrorTable.Step(random.Next(-40, 10)) * random.Next(-30, 30),
            3 when i % columns == 3 => 0,
            _ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(12))),
        };
    }

    [SkippableFact]
    public void ACancelledSearchEnds()
    {
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        ColumnsToTabulate matrix = new(new float[64], new double[8], new double[8], 1, 7, 8);
        Assert.Throws<OperationCanceledException>(() => new VulkanColumnErrors(vulkan.Context).Tabulate(matrix, new double[8], cancelled.Token));
        Assert.Throws<OperationCanceledException>(() => new ColumnErrors().Tabulate(matrix, new double[8], cancelled.Token));
    }
}

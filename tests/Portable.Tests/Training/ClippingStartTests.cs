using FsCheck.Xunit;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Quantization;
using Portable.Reference.Training;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>Where the clipping of a trained layer starts: by factors, or by searched grids.</summary>
public class ClippingStartTests
{
    /// <summary>Searched grids, in so far as factors below 1 give them, lose no more than factors tried one after the other.</summary>
    [Property(MaxTest = 30)]
    public void SearchedGridsLoseNoMore(int seed, bool groups, bool halves)
    {
        const int Rows = 3, Columns = 20;
        Random random = new(seed);
        int levels = ((int[])[1, 3, 4, 7, 15])[random.Next(5)];
        BlockWidths widths = new(levels, groups ? 8 : 0, 16, 16, 0, halves ? ScaleFormat.Half : ScaleFormat.Single);
        float[] w = BlockFixture.Fill(random, Rows * Columns, 1), h = [.. BlockFixture.Fill(random, Columns, 1).Select(v => v * v)];
        w[random.Next(w.Length)] *= 5;
        Assert.InRange(Error(l => l.SearchGrids(h)), 0, Error(l => l.SearchClipping(h)) * (1 + 1e-5) + 1e-9);

        double Error(Func<StudentLinear, (float[] Low, float[] High)> start)
        {
            StudentLinear layer = new(new LinearTensors(Rows, Columns, w, null), widths);
            (float[] low, float[] high) = start(layer);
            layer.AddClipping(low, high, 0);
            layer.Materialize();
            return w.Zip(layer.Quantized.Weight, (a, b) => (double)(a - b) * (a - b)).Select((e, i) => e * h[i % Columns]).Sum();
        }
    }
}

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Xunit;

namespace Portable.Tests.Algorithms;

/// <summary>Targets, columns and descent of layers wider than a strip and a panel, of more rows than a tile: the bits that they had when every row went by itself.</summary>
public class CompensationBitsTests
{
    [Theory]
    [InlineData(70, 328, 128, "baf8011ccb8a072b")]
    [InlineData(35, 601, 100, "13a448fc9db75efc")]
    [InlineData(3, 600, 64, "b790a16ec80671a7")]
    public void BitsStay(int rows, int columns, int group, string expected)
    {
        (float[] w, double[] h, double[] cross) = Case(rows, columns);
        for (int threads = 1; threads <= 3; threads++)
        {
            using WorkerPool pool = new(threads);
            using WorkerPool.Scope scope = pool.Use();
            Assert.Equal(expected, Hash(w, rows, columns, group, h, cross));
        }
    }

    private static string Hash(float[] w, int rows, int columns, int group, double[] h, double[] cross)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        GroupLayout layout = new(columns, group);
        int[] order = GroupedGptq.Order([.. Enumerable.Range(0, columns).Select(k => h[k * columns + k])], layout);
        InverseFactor factor = Gptq.Factor(h, columns, order, 0.01);
        float[] target = TargetCorrection.Correct(w, rows, columns, cross, h, factor, order, 0.01);
        hash.AppendData(MemoryMarshal.AsBytes(target.AsSpan()));
        WeightGrid[] grids = [.. Enumerable.Repeat(WeightGrid.Symmetric(w, 4), rows * layout.Groups)];
        WeightCodes codes = new(rows, layout, new CodeFormat(4, signed: true), grids);
        Gptq.Quantize(target, rows, columns, factor, order, codes.Grid, codes.Codes);
        hash.AppendData(MemoryMarshal.AsBytes(codes.Codes.AsSpan()));
        GroupedGptq.Quantize(target, factor, order, codes, (_, _) => grids[0]);
        CodeDescent.Improve(target, h, 0.01, codes, 4);
        hash.AppendData(MemoryMarshal.AsBytes(codes.Codes.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(codes.Grids.Select(g => g.Scale).ToArray().AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Neighbouring inputs resemble each other.</summary>
    private static (float[] Weights, double[] Hessian, double[] Cross) Case(int rows, int columns)
    {
        const int Tokens = 40;
        Random random = new(rows);
        double[] x = new double[Tokens * columns], h = new double[columns * columns], cross = new double[columns * columns];
        for (int t = 0; t < Tokens; t++)
        {
            double before = 0;
            for (int k = 0; k < columns; k++)
            {
                x[t * columns + k] = before = 0.5 * before + random.NextDouble() - 0.5;
            }

            for (int i = 0; i < h.Length; i++)
            {
                double a = x[t * columns + i / columns], b = x[t * columns + i % columns];
                h[i] += a * b;
                cross[i] += (a * 1.01 + 0.01) * b;
            }
        }

        return ([.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.5))], h, cross);
    }
}

using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Activations, norms after a part, scaled embeddings and softcaps alone: the managed CPU's bits over every magnitude that is canonical.</summary>
[Collection("Vulkan")]
public sealed class ActivationTests(VulkanFixture vulkan)
{
    private const int Columns = 12, Vocabulary = 300;

    public static TheoryData<string, bool, int> Activations
    {
        get
        {
            TheoryData<string, bool, int> data = [];
            foreach (string kind in Enum.GetNames<ActivationKind>())
            {
                // Rows of one workgroup, and rows that several share.
                data.Add(kind, true, 200);
                data.Add(kind, false, 200);
                data.Add(kind, true, 5);
                data.Add(kind, false, 5);
            }

            return data;
        }
    }

    /// <summary>One value a row beside zeros: the scale of its code shows its bits.</summary>
    [SkippableTheory]
    [MemberData(nameof(Activations))]
    public void ActivationsGiveTheCpusBits(string name, bool gated, int rows)
    {
        ActivationKind kind = Enum.Parse<ActivationKind>(name);
        int width = gated ? 2 * Columns : Columns;
        Random random = new(((int)kind * 2) + (gated ? 1 : 0));
        float[] values = new float[rows * width];
        for (int row = 0; row < rows; row++)
        {
            int column = random.Next(Columns);
            values[(row * width) + column] = Value(random, row);
            if (gated)
            {
                values[(row * width) + Columns + column] = Value(random, row * 7);
            }
        }

        Compare(executor => Activated(executor, kind, gated, width, values));
    }

    [SkippableTheory]
    [InlineData(64, false)]
    [InlineData(130, true)]
    [InlineData(2050, false)]
    public void NormsAfterAPartGiveTheCpusBits(int columns, bool biased)
    {
        const int Rows = 7;
        Random random = new(columns);
        float[] y = Values(Rows * columns), x = Values(Rows * columns), gain = Values(columns), bias = Values(columns);
        Compare(executor =>
        {
            DeviceActivation part = executor.CreateActivation(columns), stream = executor.CreateActivation(columns);
            DeviceNorm norm = executor.Upload(new NormWeights(gain, biased ? bias : null), 1e-6f);
            executor.Begin(Tokens(Rows));
            executor.Write(part, y);
            executor.Write(stream, x);
            executor.AddNormalized(part, norm, stream);
            return Ended(executor, stream, Rows);
        });

        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-6, 6))))];
    }

    /// <summary>A head of one weight a row: logits of every size through c·tanh(x/c).</summary>
    [SkippableTheory]
    [InlineData(30f)]
    [InlineData(0.37f)]
    public void SoftcapsOfLogitsGiveTheCpusBits(float softcap)
    {
        const int Width = 8;
        Random random = new(5);
        float[] head = new float[Vocabulary * Width], table = [.. Enumerable.Range(0, 16 * Width).Select(_ => (float)(random.NextDouble() - 0.5))];
        for (int row = 0; row < Vocabulary; row++)
        {
            head[(row * Width) + random.Next(Width)] = Value(random, row);
        }

        Compare(executor =>
        {
            DeviceTable embedding = executor.Upload(Table(16, Width, table)), logits = executor.Upload(Table(Vocabulary, Width, head));
            DeviceNorm norm = executor.Upload(new NormWeights([.. Enumerable.Repeat(1f, Width)], null), 1e-6f);
            DeviceActivation x = executor.CreateActivation(Width);
            executor.Begin(new Batch([.. Enumerable.Range(0, 16)], new int[16], [.. Enumerable.Range(0, 16)], [.. Enumerable.Range(0, 16)]));
            executor.Embed(embedding, 11.3f, null, 0, x);
            executor.Logits(x, norm, logits, softcap);
            float[] result = executor.End().ToArray();
            Assert.All(result, v => Assert.InRange(MathF.Abs(v), 0, softcap));
            return result;
        });
    }

    [SkippableFact]
    public void ScaledEmbeddingsGiveTheCpusBits()
    {
        Random random = new(8);
        float[] table = [.. Enumerable.Range(0, 50 * Columns).Select(i => Value(random, i))];
        Compare(executor =>
        {
            DeviceTable embedding = executor.Upload(Table(50, Columns, table)), positions = executor.Upload(Table(60, Columns, [.. table, .. table[..(10 * Columns)]]));
            DeviceActivation x = executor.CreateActivation(Columns);
            executor.Begin(Tokens(50));
            executor.Embed(embedding, 0.0625f * 11.313708f, positions, 2, x);
            return Ended(executor, x, 50);
        });
    }

    private void Compare(Func<Executor, float[]> run)
    {
        using CpuExecutor cpu = new();
        using VulkanExecutor gpu = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
        Assert.Equal(run(cpu).Select(BitConverter.SingleToInt32Bits), run(gpu).Select(BitConverter.SingleToInt32Bits));
        VulkanFixture.AssertNoValidationMessages();
    }

    private static float[] Activated(Executor executor, ActivationKind kind, bool gated, int width, float[] values)
    {
        int rows = values.Length / width;
        float[] identity = new float[Columns * Columns];
        for (int i = 0; i < Columns; i++)
        {
            identity[(i * Columns) + i] = 1;
        }

        QuantizationScheme scheme = QuantizationScheme.Parse("W8A16");
        LinearWeights linear = new() { Name = "identity", Quantized = RoundToNearest.Quantize(identity, Columns, Columns, null, scheme), Scheme = scheme.Layer.ToString() };
        DeviceActivation x = executor.CreateActivation(width), y = executor.CreateActivation(Columns);
        DeviceInput input = executor.CreateInput(InputSpec.Of(linear, Columns));
        DeviceLinear device = executor.Upload([linear]);
        executor.Begin(Tokens(rows));
        executor.Write(x, values);
        if (gated)
        {
            executor.Gate(x, kind, [input]);
        }
        else
        {
            executor.Activate(x, kind, [input]);
        }

        executor.Linear(input, device, y, 0);
        return Ended(executor, y, rows);
    }

    private static float[] Ended(Executor executor, DeviceActivation activation, int rows)
    {
        executor.End();
        float[] values = new float[rows * activation.Columns];
        executor.Read(activation, values);
        return values;
    }

    private static Batch Tokens(int rows) => new([.. Enumerable.Range(0, rows)], new int[rows], [.. Enumerable.Range(0, rows)], []);

    private static TableWeights Table(int rows, int columns, float[] values) => new(new FloatTable(rows, columns, ElementType.Float32, MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));

    // Borders first: where tanh changes its form, where an exponential is clamped; then magnitudes 2^-55 … 2^35, mostly those that activations have.
    private static float Value(Random random, int i)
    {
        float[] borders = [0, 0.625f, MathF.BitDecrement(0.625f), 1, 30, 59.99f, 60, 61, 88, 1e5f, 5.5f, 13.3f, 1e-18f, 0.3f, 1e12f];
        float magnitude = i < 2 * borders.Length ? borders[i / 2] : (float)((1 + random.NextDouble()) * Math.Pow(2, i % 3 == 0 ? random.Next(-55, 35) : random.Next(-4, 5)));
        return random.Next(2) == 0 ? Contract.Canonical(-magnitude) : magnitude;
    }
}

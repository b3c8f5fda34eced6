using System.Buffers.Binary;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>The float head alone: every dtype, widths on both sides of whole vectors and stretches, one and several tokens; the managed CPU's bits.</summary>
[Collection("Vulkan")]
public sealed class HeadTests(VulkanFixture vulkan)
{
    public static TheoryData<ElementType, int> Heads
    {
        get
        {
            TheoryData<ElementType, int> data = [];
            foreach (ElementType type in (ElementType[])[ElementType.Float32, ElementType.Float16, ElementType.BFloat16])
            {
                // Both sides of each number of tokens that a workgroup takes.
                foreach (int tokens in (int[])[1, 2, 3, 5, 8, 9, 17])
                {
                    data.Add(type, tokens);
                }
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Heads))]
    public void LogitsAreTheCpusBits(ElementType type, int tokens)
    {
        foreach (int columns in (int[])[1, 2, 7, 8, 63, 64, 65, 136, 264, 520])
        {
            Random random = new(columns);
            TableWeights embedding = Table(random, ElementType.Float32, 40, columns), head = Table(random, type, 70, columns);
            NormWeights norm = new([.. Enumerable.Repeat(1f, columns)], null);
            using CpuExecutor cpu = new();
            using VulkanExecutor gpu = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
            Assert.Equal(Logits(cpu).Select(BitConverter.SingleToInt32Bits), Logits(gpu).Select(BitConverter.SingleToInt32Bits));

            float[] Logits(Executor executor)
            {
                DeviceTable tokensTable = executor.Upload(embedding), logits = executor.Upload(head);
                DeviceNorm final = executor.Upload(norm, 1e-6f);
                DeviceActivation x = executor.CreateActivation(columns);
                int[] all = [.. Enumerable.Range(0, tokens)];
                executor.Begin(new Batch(all, new int[tokens], all, all));
                executor.Embed(tokensTable, 1, null, 0, x);
                executor.Logits(x, final, logits, 0);
                return executor.End().ToArray();
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    // Zeros of both signs, subnormal halves and magnitudes of weights.
    private static TableWeights Table(Random random, ElementType type, int rows, int columns)
    {
        int size = type == ElementType.Float32 ? 4 : 2;
        byte[] bytes = new byte[rows * columns * size];
        for (int i = 0; i < rows * columns; i++)
        {
            float value = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-17, 2)));
            value = random.Next(8) == 0 ? MathF.CopySign(0, value) : value;
            Span<byte> element = bytes.AsSpan(i * size, size);
            switch (type)
            {
                case ElementType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(element, value);
                    break;
                case ElementType.Float16:
                    BinaryPrimitives.WriteHalfLittleEndian(element, (Half)value);
                    break;
                default:
                    BinaryPrimitives.WriteUInt16LittleEndian(element, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                    break;
            }
        }

        return new TableWeights(new FloatTable(rows, columns, type, bytes));
    }
}

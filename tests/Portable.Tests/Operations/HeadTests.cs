using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Operations;
using Portable.Tests.Arithmetic;

namespace Portable.Tests.Operations;

public class HeadTests
{
    [Property(MaxTest = 40)]
    public void LogitsAreOrderedDotsForEveryShapeAndElementType(int seed, byte count, byte words, ushort width, byte kind)
    {
        (int rows, int vocabulary, int columns) = (1 + count % 9, 1 + words % 90, 1 + width % 300);
        ElementType type = (ElementType)(kind % 3);
        float[] hidden = AwkwardValues.Activations(rows * columns, seed), table = AwkwardValues.Create(vocabulary * columns, seed + 1, 12), logits = new float[rows * vocabulary];
        byte[] bytes = new byte[table.Length * ElementConversion.SizeOf(type)];
        for (int i = 0; i < table.Length; i++)
        {
            switch (type)
            {
                case ElementType.Float32:
                    BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), table[i]);
                    break;
                case ElementType.Float16:
                    Half half = (Half)Math.Clamp(table[i], -60000f, 60000f);
                    BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), BitConverter.HalfToUInt16Bits(half));
                    table[i] = (float)half;
                    break;
                default:
                    uint bits = BitConverter.SingleToUInt32Bits(table[i]) & 0xFFFF0000;
                    BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)(bits >> 16));
                    table[i] = BitConverter.UInt32BitsToSingle(bits);
                    break;
            }

            table[i] = Contract.Canonical(table[i]);
        }

        Head.Logits(hidden, rows, columns, bytes, type, vocabulary, logits);
        ElementwiseTests.Equal(
            logits.Length,
            i => Contract.Canonical(Contract.OrderedDot(hidden.AsSpan(i / vocabulary * columns, columns), table.AsSpan(i % vocabulary * columns, columns))),
            logits);
    }

    [Fact]
    public void ShortOperandsAreRefused() =>
        Assert.Throws<ArgumentException>(() => Head.Logits(new float[4], 1, 4, new byte[15], ElementType.Float32, 1, new float[1]));
}

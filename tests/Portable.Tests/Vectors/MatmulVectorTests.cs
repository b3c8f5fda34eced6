using System.Text.Json;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Quantization;

namespace Portable.Tests.Vectors;

/// <summary>Packing, exact integers and the epilogue against vectors made outside of .NET.</summary>
public sealed class MatmulVectorTests
{
    private static readonly JsonElement[] Golden = [.. GoldenFile.Read("matmul.json").EnumerateArray()];

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Golden.Length)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void PlanesAreTheFrozenWords(int index)
    {
        JsonElement golden = Golden[index];
        Assert.Equal(golden.Words("planes"), PackWeights(golden).Words.ToArray());
        short[] codes = new short[golden.Integer("n") * golden.Integer("k")];
        BitPacking.Unpack(PackWeights(golden), codes);
        Assert.Equal(golden.Integers("weights"), codes.Select(c => (int)c));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void AccumulatorsAreTheFrozenIntegers(int index)
    {
        JsonElement golden = Golden[index];
        int[] expected = golden.Integers("accumulators");
        QuantizedActivations x = PackActivations(golden);
        int[] low = new int[expected.Length], high = x.HighDigits is null ? [] : new int[expected.Length];
        BitMatmul.Accumulate(x, PackWeights(golden), low, high);
        Assert.Equal(expected, low.Select((v, i) => high.Length == 0 ? v : (256 * high[i]) + v));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void OutputsAreTheFrozenBits(int index)
    {
        JsonElement golden = Golden[index];
        float[] expected = golden.Floats("outputs"), y = new float[expected.Length];
        QuantizedActivations x = PackActivations(golden);
        byte[] zeros = [.. golden.Integers("weight_zeros").Select(z => (byte)z)];
        var input = new ActivationQuantizer(x.Format, x.Format.Signed ? ActivationMode.Symmetric : ActivationMode.Asymmetric, x.ScaleGroups.Count > 1 ? golden.Integer("group") : 0);
        var layer = new QuantizedLinear(PackWeights(golden), golden.Floats("weight_scales"), zeros, golden.Floats("bias"), input);
        BitMatmul.Multiply(x, layer, y, golden.Integer("n"));
        Assert.Equal(GoldenFile.Bits(expected), GoldenFile.Bits(y));
    }

    private static GroupLayout Layout(JsonElement golden) => new(golden.Integer("k"), golden.Integer("group"));

    private static BitPlaneMatrix PackWeights(JsonElement golden)
    {
        short[] codes = [.. golden.Integers("weights").Select(c => (short)c)];
        return BitPacking.Pack(codes, golden.Integer("n"), Layout(golden), new CodeFormat(golden.Integer("weight_bits"), golden.Flag("weight_signed")));
    }

    private static QuantizedActivations PackActivations(JsonElement golden)
    {
        GroupLayout layout = Layout(golden);
        int rows = golden.Integer("m");
        var format = new CodeFormat(golden.Integer("activation_bits"), golden.Flag("activation_signed"));
        var x = new QuantizedActivations(rows, layout, format, golden.Flag("activation_group_scales") ? golden.Integer("group") : 0) { Rows = rows };
        int[] codes = golden.Integers("activations");
        for (int i = 0; i < codes.Length; i++)
        {
            int row = i / layout.Columns, column = i % layout.Columns, at = (row * layout.PaddedColumns) + layout.PaddedIndex(column);
            int sum = (row * layout.Groups) + (column / layout.GroupSize);
            x.Codes[at] = (byte)codes[i];
            x.RowSums[sum] += x.HighDigits is null ? codes[i] : codes[i] & 255;
            if (x.HighDigits is not null)
            {
                x.HighDigits[at] = (byte)(codes[i] >> 8);
                x.HighRowSums![sum] += codes[i] >> 8;
            }
        }

        golden.Floats("activation_scales").CopyTo(x.Scales, 0);
        golden.Integers("activation_zeros").CopyTo(x.ZeroPoints, 0);
        return x;
    }
}

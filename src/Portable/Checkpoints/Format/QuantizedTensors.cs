using System.Runtime.InteropServices;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Checkpoints.Safetensors;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>The tensors of one quantized linear: their names behind the module's, what they may hold, and how they are read.</summary>
internal static class QuantizedTensors
{
    /// <summary>U8, N × bytes of a row.</summary>
    public const string Codes = ".codes";

    /// <summary>N × scale groups: F32, or F16 of the scale times 2^10 (version 2, where all scales are that).</summary>
    public const string Scales = ".scales";

    /// <summary>U8, N × scale groups, or N × bytes of a row (version 2); absent where all are 0.</summary>
    public const string Zeros = ".zero_points";

    /// <summary>F32, N; absent where the layer has none.</summary>
    public const string Bias = ".bias";

    /// <summary>I32, K'; absent with the other two where columns are not mapped.</summary>
    public const string MapSource = ".input_source";

    /// <summary>I32, K'.</summary>
    public const string MapOffset = ".input_offset";

    /// <summary>I32, K'.</summary>
    public const string MapLimit = ".input_limit";

    /// <summary>The tensors of a layer that is to be written.</summary>
    public static IEnumerable<TensorSource> ToTensors(string name, QuantizedLinear linear, LinearRecord record)
    {
        int n = linear.OutputFeatures, groups = linear.ScaleGroups.Count;
        bool packs = Packs(record);
        yield return record.Store.ToTensor(name + Codes, linear.Weights);
        yield return packs && linear.Scales.Format == ScaleFormat.Half
            ? TensorSource.Of(name + Scales, TensorType.F16, linear.Scales.Halves.ToArray(), n, groups)
            : TensorSource.Of(name + Scales, TensorType.F32, linear.Scales.ToArray(), n, groups);
        if (linear.ZeroPoints is { } zeroPoints)
        {
            yield return packs
                ? TensorSource.Of(name + Zeros, TensorType.U8, zeroPoints.Bytes.ToArray(), n, zeroPoints.RowBytes)
                : TensorSource.Of(name + Zeros, TensorType.U8, zeroPoints.ToArray(), n, groups);
        }

        if (linear.Bias is { } bias)
        {
            yield return TensorSource.Of(name + Bias, TensorType.F32, bias, n);
        }

        if (linear.Input.Map is { } map)
        {
            yield return TensorSource.Of(name + MapSource, TensorType.I32, map.Source, map.Source.Length);
            yield return TensorSource.Of(name + MapOffset, TensorType.I32, map.Offset, map.Offset.Length);
            yield return TensorSource.Of(name + MapLimit, TensorType.I32, map.Limit, map.Limit.Length);
        }
    }

    /// <summary>Checks presence, types and shapes.</summary>
    public static void Require(TensorReader reader, LinearName name, LinearRecord record)
    {
        int n = name.OutputFeatures, groups = record.ScaleGroups.Count, columns = record.Layout.Columns;
        reader.Require(name.Name + Codes, TensorType.U8, n, record.Store.RowBytes(record.Layout, record.Format));
        bool half = Packs(record) && reader.File.TryFind(name.Name + Scales, out TensorInfo? scales) && scales.Type == TensorType.F16;
        reader.Require(name.Name + Scales, half ? TensorType.F16 : TensorType.F32, n, groups);
        if (reader.Has(name.Name + Zeros))
        {
            reader.Require(name.Name + Zeros, TensorType.U8, n, Packs(record) ? ZeroPoints.BytesOf(groups, record.Format.Bits) : groups);
        }

        if (name.HasBias || reader.Has(name.Name + Bias))
        {
            reader.Require(name.Name + Bias, TensorType.F32, n);
        }

        if (reader.Has(name.Name + MapSource) && record.Input.Mode == ActivationMode.Static)
        {
            reader.Require(name.Name + MapSource, TensorType.I32, columns);
            reader.Require(name.Name + MapOffset, TensorType.I32, columns);
            reader.Require(name.Name + MapLimit, TensorType.I32, columns);
        }
        else if (columns != name.InputFeatures)
        {
            throw new CheckpointException(reader.File.Path, $"{columns} columns where the layer has {name.InputFeatures} and no column map", name.Name + Codes, reader.File.Find(name.Name + Codes).Offset);
        }
    }

    /// <summary>Reads and checks values.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The layer.</param>
    /// <param name="record">What the file says of it.</param>
    /// <param name="memory">Where codes are unpacked.</param>
    public static QuantizedLinear Read(SafetensorsFile file, LinearName name, LinearRecord record, LargeMemory memory)
    {
        WeightScales scales = ReadScales(file, file.Find(name.Name + Scales));
        BitPlaneMatrix weights = record.Store.Read(file, file.Find(name.Name + Codes), record.Layout, record.Format, memory);
        if (record.Input.Mode == ActivationMode.Asymmetric || record.Input.Format.Bits == 16)
        {
            // Zero points and unsigned digits multiply them: counted here, by all threads, and not in the first pass.
            _ = weights.RowSums;
        }

        return new QuantizedLinear(weights, scales, ReadZeroPoints(file, name, record), ReadBias(file, name), record.Input with { Map = ReadMap(file, name, record.Input.Format.Maximum) }, record.GroupSize);
    }

    /// <summary>Whether scales may be halves and zero points are packed.</summary>
    private static bool Packs(LinearRecord record) => record.Version > PortableFormat.OldestVersion;

    private static WeightScales ReadScales(SafetensorsFile file, TensorInfo tensor)
    {
        if (tensor.Type == TensorType.F16)
        {
            ReadOnlyMemory<ushort> halves = file.MapHalves(tensor) ?? TensorReader.Values<ushort>(file, tensor);
            int wrong = WeightScales.FirstThatIsNone(halves.Span);
            return wrong < 0 ? WeightScales.FromHalves(halves) : throw TensorReader.Bad(file, tensor, wrong, FormattableString.Invariant($"is the scale {BitConverter.UInt16BitsToHalf(halves.Span[wrong])}, not a positive normal half"));
        }

        float[] scales = TensorReader.Values<float>(file, tensor);
        int bad = Array.FindIndex(scales, s => !(s >= Contract.MinimumScale && s <= Contract.MaximumScale));
        return bad < 0 ? scales : throw TensorReader.Bad(file, tensor, bad, FormattableString.Invariant($"is the scale {scales[bad]}, outside 2^-24 … 2^14"));
    }

    private static ZeroPoints? ReadZeroPoints(SafetensorsFile file, LinearName name, LinearRecord record)
    {
        if (!file.TryFind(name.Name + Zeros, out TensorInfo? tensor))
        {
            return null;
        }

        int largest = record.Store == CodeStore.FiveLevels ? 4 : record.Format.Signed ? 0 : record.Format.Maximum;
        if (Packs(record))
        {
            return ReadPackedZeroPoints(file, tensor, name.OutputFeatures, record, largest);
        }

        byte[] values = TensorReader.Values<byte>(file, tensor);
        int bad = values.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)largest);
        return bad < 0 ? values : throw TensorReader.Bad(file, tensor, bad, $"is the zero point {values[bad]}, above the largest code {largest}");
    }

    private static ZeroPoints ReadPackedZeroPoints(SafetensorsFile file, TensorInfo tensor, int rows, LinearRecord record, int largest)
    {
        int groups = record.ScaleGroups.Count, bits = record.Format.Bits;
        ZeroPoints zeroPoints = file.MapPadded(tensor, ZeroPoints.Slack) is { } padded
            ? ZeroPoints.InPlace(padded, rows, groups, bits)
            : ZeroPoints.FromPacked(TensorReader.Values<byte>(file, tensor), rows, groups, bits);
        int row = zeroPoints.FirstRowAbove(largest);
        if (row < 0)
        {
            return zeroPoints;
        }

        for (int group = 0; group < groups; group++)
        {
            if (zeroPoints[row, group] > largest)
            {
                throw TensorReader.Bad(file, tensor, (row * zeroPoints.RowBytes) + (group * bits / 8), $"holds the zero point {zeroPoints[row, group]} of row {row}, group {group}, above the largest code {largest}");
            }
        }

        throw TensorReader.Bad(file, tensor, ((row + 1) * zeroPoints.RowBytes) - 1, $"has bits set behind the last zero point of row {row}");
    }

    private static float[]? ReadBias(SafetensorsFile file, LinearName name)
    {
        if (!file.TryFind(name.Name + Bias, out TensorInfo? tensor))
        {
            return null;
        }

        float[] bias = TensorReader.Values<float>(file, tensor);
        TensorReader.RequireFinite(file, tensor, MemoryMarshal.AsBytes<float>(bias), ElementType.Float32);
        return bias;
    }

    private static ColumnMap? ReadMap(SafetensorsFile file, LinearName name, int largestCode)
    {
        if (!file.TryFind(name.Name + MapSource, out _))
        {
            return null;
        }

        int[] Values(string suffix, int largest)
        {
            TensorInfo tensor = file.Find(name.Name + suffix);
            int[] values = TensorReader.Values<int>(file, tensor);
            int bad = values.AsSpan().IndexOfAnyExceptInRange(0, largest);
            return bad < 0 ? values : throw TensorReader.Bad(file, tensor, bad, $"is {values[bad]}, outside 0 … {largest}");
        }

        return new ColumnMap(Values(MapSource, name.InputFeatures - 1), Values(MapOffset, int.MaxValue), Values(MapLimit, largestCode));
    }
}

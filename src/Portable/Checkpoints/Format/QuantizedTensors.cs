using System.Runtime.InteropServices;
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

    /// <summary>F32, N × groups.</summary>
    public const string Scales = ".scales";

    /// <summary>U8, N × groups; absent where all are 0.</summary>
    public const string ZeroPoints = ".zero_points";

    /// <summary>F32, N; absent where the layer has none.</summary>
    public const string Bias = ".bias";

    /// <summary>I32, K'; absent with the other two where columns are not mapped.</summary>
    public const string MapSource = ".input_source";

    /// <summary>I32, K'.</summary>
    public const string MapOffset = ".input_offset";

    /// <summary>I32, K'.</summary>
    public const string MapLimit = ".input_limit";

    /// <summary>The tensors of a layer that is to be written.</summary>
    public static IEnumerable<TensorSource> ToTensors(string name, QuantizedLinear linear, CodeStore store)
    {
        int n = linear.OutputFeatures, groups = linear.Weights.Layout.Groups;
        yield return store.ToTensor(name + Codes, linear.Weights);
        yield return TensorSource.Of(name + Scales, TensorType.F32, linear.Scales, n, groups);
        if (linear.ZeroPoints is { } zeroPoints)
        {
            yield return TensorSource.Of(name + ZeroPoints, TensorType.U8, zeroPoints, n, groups);
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
        int n = name.OutputFeatures, groups = record.Layout.Groups, columns = record.Layout.Columns;
        reader.Require(name.Name + Codes, TensorType.U8, n, record.Store.RowBytes(record.Layout, record.Format));
        reader.Require(name.Name + Scales, TensorType.F32, n, groups);
        if (reader.Has(name.Name + ZeroPoints))
        {
            reader.Require(name.Name + ZeroPoints, TensorType.U8, n, groups);
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
    public static QuantizedLinear Read(SafetensorsFile file, LinearName name, LinearRecord record)
    {
        TensorInfo scalesTensor = file.Find(name.Name + Scales);
        float[] scales = TensorReader.Values<float>(file, scalesTensor);
        for (int i = 0; i < scales.Length; i++)
        {
            if (!(scales[i] >= Contract.MinimumScale && scales[i] <= Contract.MaximumScale))
            {
                throw TensorReader.Bad(file, scalesTensor, i, FormattableString.Invariant($"is the scale {scales[i]}, outside 2^-24 … 2^14"));
            }
        }

        BitPlaneMatrix weights = record.Store.Read(file, file.Find(name.Name + Codes), record.Layout, record.Format);
        return new QuantizedLinear(weights, scales, ReadZeroPoints(file, name, record), ReadBias(file, name), record.Input with { Map = ReadMap(file, name, record.Input.Format.Maximum) });
    }

    private static byte[]? ReadZeroPoints(SafetensorsFile file, LinearName name, LinearRecord record)
    {
        if (!file.TryFind(name.Name + ZeroPoints, out TensorInfo? tensor))
        {
            return null;
        }

        byte[] zeroPoints = TensorReader.Values<byte>(file, tensor);
        int largest = record.Store == CodeStore.FiveLevels ? 4 : record.Format.Signed ? 0 : record.Format.Maximum;
        int bad = zeroPoints.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)largest);
        return bad < 0 ? zeroPoints : throw TensorReader.Bad(file, tensor, bad, $"is the zero point {zeroPoints[bad]}, above the largest code {largest}");
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

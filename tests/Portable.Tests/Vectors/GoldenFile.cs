using System.Globalization;
using System.Text.Json;

namespace Portable.Tests.Vectors;

/// <summary>Reads the frozen vectors beside the test assembly.</summary>
internal static class GoldenFile
{
    /// <summary>The root object of a file in reference/vectors.</summary>
    public static JsonElement Read(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "vectors", name)));
        return document.RootElement.Clone();
    }

    /// <summary>f32 values written as hexadecimal bits.</summary>
    public static float[] Floats(this JsonElement element, string name) =>
        [.. element.GetProperty(name).GetString()!.Split(' ').Select(word => BitConverter.UInt32BitsToSingle(uint.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture)))];

    /// <summary>64-bit words in hexadecimal.</summary>
    public static ulong[] Words(this JsonElement element, string name) =>
        [.. element.GetProperty(name).GetString()!.Split(' ').Select(word => ulong.Parse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];

    /// <summary>Integers.</summary>
    public static int[] Integers(this JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>An integer.</summary>
    public static int Integer(this JsonElement element, string name) => element.GetProperty(name).GetInt32();

    /// <summary>A truth value.</summary>
    public static bool Flag(this JsonElement element, string name) => element.GetProperty(name).GetBoolean();

    /// <summary>Bits of f32 values, so that comparisons are exact and −0 is not 0.</summary>
    public static uint[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new uint[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToUInt32Bits(values[i]);
        }

        return bits;
    }
}

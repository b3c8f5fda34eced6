namespace Portable.Calibration;

/// <summary>max|x| of each channel over calibration tokens.</summary>
/// <param name="size">K.</param>
public sealed class ChannelMaxima(int size)
{
    /// <summary>K values.</summary>
    public float[] Values { get; } = new float[size];

    /// <summary>Adds a batch of rows × K values.</summary>
    public void Add(ReadOnlySpan<float> x)
    {
        for (int start = 0; start < x.Length; start += size)
        {
            ReadOnlySpan<float> row = x.Slice(start, size);
            for (int j = 0; j < row.Length; j++)
            {
                Values[j] = MathF.Max(Values[j], MathF.Abs(row[j]));
            }
        }
    }

    /// <summary>The maxima of a block's four inputs over a stream.</summary>
    public static Dictionary<Models.BlockInput, float[]> Observe(Models.BlockWeights block, BlockStream stream)
    {
        Dictionary<Models.BlockInput, ChannelMaxima> maxima = [];
        stream.Observe(block, (input, values, rows) =>
        {
            if (!maxima.TryGetValue(input, out ChannelMaxima? found))
            {
                found = new ChannelMaxima(values.Length / rows);
                maxima.Add(input, found);
            }

            found.Add(values);
        });
        return maxima.ToDictionary(m => m.Key, m => m.Value.Values);
    }
}

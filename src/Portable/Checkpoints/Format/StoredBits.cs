using Portable.Checkpoints.Safetensors;
using Portable.Models;

namespace Portable.Checkpoints.Format;

/// <summary>Bits on disk of a quantized checkpoint's linears, with all that stands beside the codes but biases.</summary>
internal static class StoredBits
{
    /// <summary>The tensor files of a checkpoint.</summary>
    public static IEnumerable<string> TensorFiles(string directory) => Directory.EnumerateFiles(directory, "*.safetensors");

    /// <summary>Bytes of each module's codes, scales, zero points and column maps, by its name.</summary>
    public static Dictionary<string, long> Modules(string directory)
    {
        Dictionary<string, long> bytes = [];
        foreach (string path in TensorFiles(directory))
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (TensorInfo tensor in file.Tensors.Where(t => !t.Name.EndsWith(".bias", StringComparison.Ordinal)))
            {
                string module = tensor.Name[..Math.Max(0, tensor.Name.LastIndexOf('.'))];
                bytes[module] = bytes.GetValueOrDefault(module) + tensor.Length;
            }
        }

        return bytes;
    }

    /// <summary>Bits of a weight of the float model, mean over all linears of the blocks.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="manifest">Names the linears, those of the blocks first.</param>
    public static double Of(string directory, ModelConfig config, Manifest manifest)
    {
        Dictionary<string, long> modules = Modules(directory);
        int linears = config.Blocks.Sum(b => b.Slots.Count);
        double weights = config.Blocks.Sum(b => b.Slots.Sum(s => (double)b.SizeOf(s).Rows * b.SizeOf(s).Columns));
        return 8 * manifest.Layers.Take(linears).Sum(l => (double)modules.GetValueOrDefault(l.Name)) / weights;
    }
}

using Portable.Checkpoints.HuggingFace;
using Portable.Models;

namespace Portable.Checkpoints.Format;

/// <summary>Opens a model directory of either kind.</summary>
internal static class Checkpoint
{
    /// <summary>Opens a Hugging Face checkpoint (float) or a Portable checkpoint (quantized).</summary>
    /// <param name="directory">The model directory.</param>
    /// <exception cref="CheckpointException">The directory or a file of it is missing, damaged, or of a kind that Portable does not run.</exception>
    public static IModelSource Open(string directory)
    {
        UnfinishedCheckpoint.Refuse(directory);
        if (!Directory.Exists(directory))
        {
            throw new CheckpointException(directory, ForeignLayout.OfPath(directory));
        }

        if (File.Exists(Path.Combine(directory, ConfigFile.FileName)) && PortableCheckpoint.IsOne(directory))
        {
            return PortableCheckpoint.Open(directory);
        }

        return ForeignLayout.OfDirectory(directory) is { } other ? throw new CheckpointException(directory, other) : HuggingFaceCheckpoint.Open(directory);
    }
}

using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>A block in training, wherever it computes.</summary>
internal interface IBlockStudent : IDisposable
{
    /// <summary>Folds and quantizes every layer from the present parameters.</summary>
    void Materialize();

    /// <summary>The loss of a sample by the materialized weights; keeps what <see cref="Update"/> needs.</summary>
    /// <param name="sample">Index of the sample.</param>
    /// <param name="next">The one after it, which may be loaded meanwhile, or null.</param>
    /// <param name="read">Reads samples; called from any thread, once at a time.</param>
    double Loss(int sample, int? next, SampleReader read);

    /// <summary>Takes the last loss's gradient back to every parameter, and a step.</summary>
    /// <param name="factor">The schedule's factor of every learning rate.</param>
    void Update(float factor);

    /// <summary>A layer of the materialized block as integers.</summary>
    TrainedLinear Fold(BlockSlot linear);

    /// <summary>A norm of the materialized block.</summary>
    NormTensors Norm(BlockNorm norm);
}

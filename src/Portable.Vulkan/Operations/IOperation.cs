using Portable.Execution;

namespace Portable.Vulkan.Operations;

/// <summary>
/// One call of the execution seam: what the executor notes between Begin and End and turns into commands once. Equal lists of
/// operations replay the same commands.
/// </summary>
internal interface IOperation
{
    /// <summary>Name in profiles.</summary>
    string Name { get; }

    /// <summary>Whether it adds to what earlier passes have left, so that a pass that came to nothing must not be run again.</summary>
    bool Accumulates => false;

    /// <summary>Records its dispatches.</summary>
    void Record(PlanRecorder plan);

    /// <summary>Records it, together with those that follow where one dispatch does both.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="following">The operations behind this one.</param>
    /// <returns>How many of the following it has recorded.</returns>
    int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        Record(plan);
        return 0;
    }

    /// <summary>
    /// The bytes that it cannot do without on a batch: weights, tables and cached tokens once, activations in and out once. Over
    /// the rate at which a device reads memory they are the floor of its time where multiply-adds do not bound it.
    /// </summary>
    long Bytes(Batch batch);

    /// <summary>What it does at most on the batches of a plan: passes are cut into submissions by it.</summary>
    OperationWork Work(PlanKey key);
}

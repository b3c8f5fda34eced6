using Portable.Execution;
using Portable.Inference;

namespace Portable.Calibration;

/// <summary>An executor and what blocks share on it, while a method passes windows through them.</summary>
/// <param name="executor">The executor, disposed of with this.</param>
/// <param name="hidden">Hidden size.</param>
/// <param name="sequences">Windows of a batch.</param>
/// <param name="context">Most tokens of a window.</param>
internal sealed class BlockStage(Executor executor, int hidden, int sequences, int context) : IDisposable
{
    /// <summary>The executor.</summary>
    public Executor Executor => executor;

    /// <summary>Its cache and activations.</summary>
    public Workspace Workspace { get; } = new(executor, hidden, sequences, context);

    /// <summary>The residual stream.</summary>
    public DeviceActivation X => Workspace.Hidden;

    /// <inheritdoc/>
    public void Dispose() => executor.Dispose();
}

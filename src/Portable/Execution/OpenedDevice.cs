namespace Portable.Execution;

/// <summary>A device that is open: it makes executors, and outlives them.</summary>
internal abstract class OpenedDevice : IDisposable
{
    /// <summary>Makes an executor; disposing of it leaves the device open.</summary>
    public abstract Executor CreateExecutor();

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}

/// <summary>The managed CPU.</summary>
internal sealed class OpenedCpu : OpenedDevice
{
    public override Executor CreateExecutor() => new CpuExecutor();
}

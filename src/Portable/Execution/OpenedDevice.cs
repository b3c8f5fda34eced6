namespace Portable.Execution;

/// <summary>A device that is open: it makes executors, and outlives them.</summary>
internal abstract class OpenedDevice : IDisposable
{
    /// <summary>Makes an executor; disposing of it leaves the device open.</summary>
    public abstract Executor CreateExecutor();

    /// <summary>Bytes of the device's own memory that are free; null where models lie in the process's.</summary>
    public virtual long? FreeBytes => null;

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

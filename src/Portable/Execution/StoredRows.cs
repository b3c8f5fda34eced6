namespace Portable.Execution;

/// <summary>f32 values beside activations, in the host's memory or a device's: a device that made them moves them by itself.</summary>
internal abstract class StoredRows : IDisposable
{
    /// <summary>Copies values out.</summary>
    /// <param name="first">The first value.</param>
    /// <param name="values">Receives as many as it holds.</param>
    public abstract void Read(int first, Span<float> values);

    /// <summary>Copies values in.</summary>
    /// <param name="first">The first value.</param>
    /// <param name="values">The values.</param>
    public abstract void Write(int first, ReadOnlySpan<float> values);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}

/// <summary>Values of the managed heap.</summary>
/// <param name="rows">The values.</param>
internal sealed class ManagedRows(float[] rows) : StoredRows
{
    /// <inheritdoc/>
    public override void Read(int first, Span<float> values) => rows.AsSpan(first, values.Length).CopyTo(values);

    /// <inheritdoc/>
    public override void Write(int first, ReadOnlySpan<float> values) => values.CopyTo(rows.AsSpan(first));
}

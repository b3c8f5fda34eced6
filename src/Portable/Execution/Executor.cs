using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Execution;

/// <summary>
/// The execution seam: a device that owns tensors and offers the closed set of operations that models are written in. A
/// model's forward pass is written once (the model) and gives the same bits on every executor.
/// </summary>
/// <remarks>
/// Operations act on the rows of the batch given to <see cref="Begin"/>, in the order of the calls; an executor may record
/// them and run them at <see cref="End"/>, and may fuse neighbours, but never changes their arithmetic (the float contract).
/// </remarks>
internal abstract class Executor : IDisposable
{
    /// <summary>The device that serves, as reported to users ("cpu", "vulkan:0 NVIDIA H200").</summary>
    public abstract string Name { get; }

    /// <summary>The most rows of one batch.</summary>
    public abstract int MaximumRows { get; }

    /// <summary>Called before a model is loaded: refuses one that cannot be served.</summary>
    /// <param name="source">The model.</param>
    /// <param name="sequences">Cache slots.</param>
    /// <param name="context">Positions of each.</param>
    /// <param name="table">Which pages sequences have; null = each its own.</param>
    /// <exception cref="DeviceException">The device cannot run it; a <see cref="DeviceMemoryException"/> where it has no room.</exception>
    public virtual void Reserve(IModelSource source, int sequences, int context, PageTable? table)
    {
    }

    /// <summary>Called when a model is loaded: a device that makes kernels, memory or commands for its first pass may make them now.</summary>
    /// <param name="pass">Goes through a pass of at most so many rows as for <see cref="End"/>, which then runs nothing.</param>
    public virtual void Rehearse(Action<int> pass)
    {
    }

    /// <summary>Takes a table to the device: an embedding, learned positions, a head, or what is embedding and head at once.</summary>
    public abstract DeviceTable Upload(TableWeights table);

    /// <summary>Takes a normalisation to the device.</summary>
    public abstract DeviceNorm Upload(NormWeights norm, float epsilon);

    /// <summary>Takes linear layers that read one input to the device.</summary>
    /// <param name="parts">Layers whose outputs lie side by side in this order.</param>
    public abstract DeviceLinear Upload(IReadOnlyList<LinearWeights> parts);

    /// <summary>Another layer of the same weights that reads activations of another width: on a device, of the same memory.</summary>
    /// <param name="uploaded">What <see cref="Upload(IReadOnlyList{LinearWeights})"/> gave for the layer alone; it outlives this one.</param>
    /// <param name="part">The layer with its other input.</param>
    public virtual DeviceLinear Share(DeviceLinear uploaded, LinearWeights part) => Upload([part]);

    /// <summary>Takes the cosines and sines of rotary positions to the device.</summary>
    public abstract DeviceRotary CreateRotary(RotaryTable table);

    /// <summary>Allocates the cache of one block.</summary>
    public abstract DeviceCache CreateCache(CacheShape shape);

    /// <summary>Allocates an f32 activation of <see cref="MaximumRows"/> rows.</summary>
    public abstract DeviceActivation CreateActivation(int columns);

    /// <summary>Allocates f32 activations of <see cref="MaximumRows"/> rows, in phases: those of one phase are in use together, and a device may keep the phases in the same memory.</summary>
    /// <param name="phases">Columns of the activations of each phase.</param>
    public virtual DeviceActivation[][] CreateActivations(params int[][] phases) => [.. phases.Select(p => p.Select(CreateActivation).ToArray())];

    /// <summary>Allocates the input of linear layers for <see cref="MaximumRows"/> rows.</summary>
    public abstract DeviceInput CreateInput(InputSpec spec);

    /// <summary>Gives a page what another holds, in every block; between passes.</summary>
    /// <param name="caches">Caches with a table of pages.</param>
    /// <param name="source">The page to copy from.</param>
    /// <param name="target">The page to copy to.</param>
    public abstract void CopyPage(IReadOnlyList<DeviceCache> caches, int source, int target);

    /// <summary>Starts a forward pass.</summary>
    public abstract void Begin(Batch batch);

    /// <summary>x = embedding rows of the batch's tokens · scale (+ position rows).</summary>
    public abstract void Embed(DeviceTable embedding, float scale, DeviceTable? positions, int positionOffset, DeviceActivation x);

    /// <summary>Normalises x into each of the inputs (quantizing as each says).</summary>
    public abstract void Normalize(DeviceActivation x, DeviceNorm norm, ReadOnlySpan<DeviceInput> inputs);

    /// <summary>Quantizes (or copies) x into each of the inputs.</summary>
    public abstract void Prepare(DeviceActivation x, ReadOnlySpan<DeviceInput> inputs);

    /// <summary>y[:, column …] = input · Wᵀ + b.</summary>
    public abstract void Linear(DeviceInput input, DeviceLinear linear, DeviceActivation y, int column);

    /// <summary>x = x + (input · Wᵀ + b): a linear with the residual added.</summary>
    public abstract void LinearResidual(DeviceInput input, DeviceLinear linear, DeviceActivation x);

    /// <summary>
    /// Normalises and rotates queries and keys as <paramref name="parts"/> says, appends keys and values to the cache, and attends.
    /// </summary>
    /// <param name="qkv">Queries, keys and values side by side.</param>
    /// <param name="layout">Heads, and how they attend.</param>
    /// <param name="parts">What queries and keys go through first.</param>
    /// <param name="cache">The block's cache.</param>
    /// <param name="output">rows × (heads · head size).</param>
    public abstract void Attention(DeviceActivation qkv, AttentionLayout layout, DeviceHeads parts, DeviceCache cache, DeviceActivation output);

    /// <summary>x = x + norm(y).</summary>
    public abstract void AddNormalized(DeviceActivation y, DeviceNorm norm, DeviceActivation x);

    /// <summary>f(gate)·up of the halves of <paramref name="gateUp"/> into each of the inputs.</summary>
    public abstract void Gate(DeviceActivation gateUp, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs);

    /// <summary>f(x) into each of the inputs.</summary>
    public abstract void Activate(DeviceActivation x, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs);

    /// <summary>Normalises the batch's logit rows of x and multiplies them by the head.</summary>
    /// <param name="x">The residual stream.</param>
    /// <param name="norm">The norm before the head.</param>
    /// <param name="head">The head.</param>
    /// <param name="softcap">c of c·tanh(logit/c), 0 = none.</param>
    public abstract void Logits(DeviceActivation x, DeviceNorm norm, DeviceTable head, float softcap);

    /// <summary>Gives the batch's rows of an activation their values, between <see cref="Begin"/> and the first operation that reads them.</summary>
    /// <param name="x">Made by <see cref="CreateActivation"/>.</param>
    /// <param name="values">Rows × columns.</param>
    public abstract void Write(DeviceActivation x, ReadOnlySpan<float> values);

    /// <summary>The same from memory that a device may read by itself.</summary>
    /// <param name="x">Made by <see cref="CreateActivation"/>.</param>
    /// <param name="rows">Holds the values until <see cref="End"/> returns.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="count">Rows × columns.</param>
    public virtual void Write(DeviceActivation x, StoredRows rows, int first, int count)
    {
        float[] values = System.Buffers.ArrayPool<float>.Shared.Rent(count);
        rows.Read(first, values.AsSpan(0, count));
        Write(x, values.AsSpan(0, count));
        System.Buffers.ArrayPool<float>.Shared.Return(values);
    }

    /// <summary>Has the rows of an activation, as the pass leaves them, in memory that a device may write by itself once <see cref="End"/> returns; called behind the last operation.</summary>
    /// <param name="x">Made by <see cref="CreateActivation"/>.</param>
    /// <param name="rows">Receives the values.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="count">Rows × columns.</param>
    public virtual void Leave(DeviceActivation x, StoredRows rows, int first, int count)
    {
        float[] values = System.Buffers.ArrayPool<float>.Shared.Rent(count);
        Read(x, values.AsSpan(0, count));
        rows.Write(first, values.AsSpan(0, count));
        System.Buffers.ArrayPool<float>.Shared.Return(values);
    }

    /// <summary>The rows of an activation, after <see cref="End"/>.</summary>
    /// <param name="x">Made by <see cref="CreateActivation"/>.</param>
    /// <param name="values">Receives rows × columns.</param>
    public abstract void Read(DeviceActivation x, Span<float> values);

    /// <summary>Finishes the forward pass.</summary>
    /// <returns>Logits, [logit row × vocabulary]; valid until the next <see cref="Begin"/>.</returns>
    public abstract ReadOnlySpan<float> End();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the device's memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

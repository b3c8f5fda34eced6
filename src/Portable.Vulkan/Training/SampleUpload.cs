using Portable.Execution;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Training;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>
/// Samples on their way to the device: while one trains, the next is loaded into host memory that the device copies from, so that reading
/// windows back from disk holds nothing up.
/// </summary>
internal sealed class SampleUpload : IDisposable
{
    private readonly VulkanContext _gpu;
    private readonly Place[] _places;
    private readonly int _tokens;
    private readonly bool _both, _readsAttention;
    private readonly Func<int, SamplePart, StoredRows?> _rows;
    private readonly OnceLists _lists;
    private readonly Dictionary<SamplePart, GpuBuffer> _targets;
    private readonly Dictionary<(int Sample, SamplePart Part), float> _meanSquares = [];
    private Task? _loading;
    private int _expected = -1, _at;

    /// <summary>Allocates room for two samples on the host and one on the device.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="kernels">Owns the device's part.</param>
    /// <param name="hidden">Width of the residual stream.</param>
    /// <param name="tokens">T.</param>
    /// <param name="input">Where the student's input goes.</param>
    /// <param name="both">Whether both teachers are compared with.</param>
    /// <param name="attention">Whether attention maps are.</param>
    /// <param name="readsAttention">Whether the host reads them, too.</param>
    /// <param name="rows">Where a part of a sample lies in memory, or null: the device copies it by itself.</param>
    public SampleUpload(VulkanContext gpu, TrainingKernels kernels, int hidden, int tokens, GpuBuffer input, bool both, bool attention, bool readsAttention, Func<int, SamplePart, StoredRows?> rows)
    {
        (_gpu, _tokens, _both, _readsAttention, _rows, _lists) = (gpu, tokens, both, readsAttention, rows, new OnceLists(gpu));
        long values = (long)tokens * hidden, triangle = (long)tokens * (tokens + 1) / 2;
        GpuBuffer first = kernels.Allocate(values), second = kernels.Allocate(both ? values : 1), map = kernels.Allocate(attention ? triangle : 1);
        (FloatTarget, QuantizedTarget, Attention) = (first.Address, second.Address, map.Address);
        _targets = new Dictionary<SamplePart, GpuBuffer> { [SamplePart.Input] = input, [SamplePart.FloatTarget] = first };
        if (both)
        {
            _targets.Add(SamplePart.QuantizedTarget, second);
        }

        if (attention)
        {
            _targets.Add(SamplePart.Attention, map);
        }

        _places = [new Place(this, kernels, values, triangle), new Place(this, kernels, values, triangle)];
    }

    /// <summary>The first teacher's output.</summary>
    public ulong FloatTarget { get; }

    /// <summary>The second teacher's.</summary>
    public ulong QuantizedTarget { get; }

    /// <summary>The first teacher's attention map, the lower triangle.</summary>
    public ulong Attention { get; }

    /// <summary>Brings a sample to the device and begins to load the next.</summary>
    /// <returns>Mean squares of both targets.</returns>
    public (float Float, float Quantized) Bring(int sample, int? next, SampleReader read)
    {
        Task? loading = _loading;
        _loading = null;
        loading?.GetAwaiter().GetResult();
        if (sample != _expected)
        {
            _places[_at].Load(sample, read);
        }

        Place place = _places[_at];
        place.Submit();
        _at ^= 1;
        if (next is { } index)
        {
            Place following = _places[_at];
            _expected = index;
            _loading = Task.Run(() => following.Load(index, read));
        }
        else
        {
            _expected = -1;
        }

        return place.MeanSquares;
    }

    /// <summary>The attention map of the sample that was brought last, [query × token].</summary>
    public void ReadAttention(Span<float> map) => _places[_at ^ 1].ReadAttention(map);

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _loading?.GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // Whoever asked for the sample would have been told.
        }

        _lists.Dispose();
    }

    private sealed class Place(SampleUpload owner, TrainingKernels kernels, long values, long triangle)
    {
        private readonly Dictionary<SamplePart, GpuBuffer> _buffers = owner._targets.Keys.ToDictionary(p => p, p => kernels.Allocate(p == SamplePart.Attention ? triangle : values, MemoryKind.Readback));
        private readonly Dictionary<SamplePart, GpuBuffer> _sources = [];
        private ulong _ticket;

        public (float, float) MeanSquares { get; private set; }

        public void Load(int index, SampleReader read)
        {
            owner._gpu.Wait(_ticket);
            foreach (SamplePart part in owner._targets.Keys)
            {
                // What lies in the device's memory, or where it reads by itself, is seen here once, for its mean square.
                bool known = part is SamplePart.Input or SamplePart.Attention || owner._meanSquares.ContainsKey((index, part));
                GpuBuffer? there = owner._rows(index, part) is VulkanRows rows && (part != SamplePart.Attention || !owner._readsAttention) ? rows.Buffer : null;
                _sources[part] = there ?? _buffers[part];
                if (there is null || !known)
                {
                    Span<float> held = _buffers[part].AsSpan<float>()[..Count(part)];
                    read(index, part, held);
                    if (!known)
                    {
                        owner._meanSquares.Add((index, part), RowMath.Dot(held, held) / held.Length);
                    }
                }
            }

            MeanSquares = (owner._meanSquares[(index, SamplePart.FloatTarget)], owner._both ? owner._meanSquares[(index, SamplePart.QuantizedTarget)] : 0);
        }

        public void ReadAttention(Span<float> map)
        {
            ReadOnlySpan<float> rows = _buffers[SamplePart.Attention].AsSpan<float>();
            for (int t = 0; t < owner._tokens; t++)
            {
                rows.Slice(t * (t + 1) / 2, t + 1).CopyTo(map[(t * owner._tokens)..]);
            }
        }

        public void Submit() => _ticket = owner._lists.Run(r =>
        {
            foreach ((SamplePart part, GpuBuffer target) in owner._targets)
            {
                r.Copy(_sources[part], 0, target, 0, sizeof(float) * (long)Count(part));
            }
        });

        private int Count(SamplePart part) => (int)(part == SamplePart.Attention ? triangle : values);
    }
}

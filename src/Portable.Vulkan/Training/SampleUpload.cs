using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Training;
using Portable.Vulkan.Engine;

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
    private readonly bool _both, _attention;
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
    public SampleUpload(VulkanContext gpu, TrainingKernels kernels, int hidden, int tokens, GpuBuffer input, bool both, bool attention)
    {
        (_gpu, _tokens, _both, _attention) = (gpu, tokens, both, attention);
        long values = (long)tokens * hidden, triangle = (long)tokens * (tokens + 1) / 2;
        GpuBuffer first = kernels.Allocate(values), second = kernels.Allocate(both ? values : 1), map = kernels.Allocate(attention ? triangle : 1);
        (FloatTarget, QuantizedTarget, Attention) = (first.Address, second.Address, map.Address);
        _places = [new Place(this, kernels, hidden, triangle), new Place(this, kernels, hidden, triangle)];
        foreach (Place place in _places)
        {
            place.Copies.Add("sample", 0, r =>
            {
                r.Copy(place.Input, 0, input, 0, 4 * values).Copy(place.Float, 0, first, 0, 4 * values);
                if (both)
                {
                    r.Copy(place.Quantized, 0, second, 0, 4 * values);
                }

                if (attention)
                {
                    r.Copy(place.Map, 0, map, 0, 4 * triangle);
                }
            });
        }
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

        foreach (Place place in _places)
        {
            place.Copies.Dispose();
        }
    }

    private sealed class Place(SampleUpload owner, TrainingKernels kernels, int hidden, long triangle)
    {
        private readonly int _values = owner._tokens * hidden;
        private ulong _ticket;

        public TrainingProgram Copies { get; } = new(owner._gpu, null);

        public GpuBuffer Input { get; } = kernels.Allocate((long)owner._tokens * hidden, MemoryKind.Readback);

        public GpuBuffer Float { get; } = kernels.Allocate((long)owner._tokens * hidden, MemoryKind.Readback);

        public GpuBuffer Quantized { get; } = kernels.Allocate(owner._both ? (long)owner._tokens * hidden : 1, MemoryKind.Readback);

        public GpuBuffer Map { get; } = kernels.Allocate(owner._attention ? triangle : 1, MemoryKind.Readback);

        public (float, float) MeanSquares { get; private set; }

        public void Load(int index, SampleReader read)
        {
            owner._gpu.Wait(_ticket);
            read(index, SamplePart.Input, Input.AsSpan<float>()[.._values]);
            float first = Target(index, SamplePart.FloatTarget, Float, read), second = owner._both ? Target(index, SamplePart.QuantizedTarget, Quantized, read) : 0;
            if (owner._attention)
            {
                read(index, SamplePart.Attention, Map.AsSpan<float>()[..(int)triangle]);
            }

            MeanSquares = (first, second);
        }

        public void ReadAttention(Span<float> map)
        {
            ReadOnlySpan<float> rows = Map.AsSpan<float>();
            for (int t = 0; t < owner._tokens; t++)
            {
                rows.Slice(t * (t + 1) / 2, t + 1).CopyTo(map[(t * owner._tokens)..]);
            }
        }

        public void Submit() => _ticket = Copies.Run();

        private float Target(int index, SamplePart part, GpuBuffer buffer, SampleReader read)
        {
            Span<float> values = buffer.AsSpan<float>()[.._values];
            read(index, part, values);
            if (!owner._meanSquares.TryGetValue((index, part), out float mean))
            {
                mean = RowMath.Dot(values, values) / values.Length;
                owner._meanSquares.Add((index, part), mean);
            }

            return mean;
        }
    }
}

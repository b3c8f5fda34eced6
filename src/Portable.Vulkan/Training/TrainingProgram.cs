using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Training;

/// <summary>
/// Operations of training in their order, each seeing what those before it wrote: recorded when first run, then submitted again and
/// again. Cut into submissions, so that none runs for long on a slow device.
/// </summary>
/// <param name="gpu">The device.</param>
/// <param name="profiled">Told each operation and its microseconds after every run, or null.</param>
internal sealed class TrainingProgram(VulkanContext gpu, Action<string, double>? profiled) : IDisposable
{
    // At 100 G operations a second this is a second and a half.
    private const long SubmissionWork = 150_000_000_000;
    private readonly List<(string Name, long Work, Action<CommandRecorder> Record)> _operations = [];
    private readonly HashSet<Shader> _shaders = [];
    private readonly List<CommandList> _lists = [];
    private TimestampPool? _times;

    /// <summary>Operations so far.</summary>
    public int Count => _operations.Count;

    /// <summary>Adds an operation.</summary>
    /// <param name="name">Its name in profiles.</param>
    /// <param name="work">About how many operations it does.</param>
    /// <param name="record">Records its dispatches, which may overlap.</param>
    /// <param name="shaders">Kernels that it will need.</param>
    public void Add(string name, long work, Action<CommandRecorder> record, params ReadOnlySpan<Shader> shaders)
    {
        _operations.Add((name, work, record));
        foreach (Shader shader in shaders)
        {
            _shaders.Add(shader);
        }
    }

    /// <summary>Adds a dispatch.</summary>
    public void Add<TPush>(string name, Shader<TPush> shader, TPush push, int x, int y = 1, int z = 1, long work = 0)
        where TPush : unmanaged => Add(name, work, r => r.Dispatch(shader, push, x, y, z), shader);

    /// <summary>Submits it; later submissions see what it wrote.</summary>
    /// <returns>The ticket of its last submission.</returns>
    public ulong Run()
    {
        if (_lists.Count == 0)
        {
            Record();
        }

        ulong ticket = 0;
        _times?.Reset();
        foreach (CommandList list in _lists)
        {
            ticket = gpu.Submit(list);
        }

        if (_times is not null)
        {
            gpu.Wait(ticket);
            double[] at = _times.ReadNanoseconds();
            for (int i = 0; i < _operations.Count; i++)
            {
                profiled!(_operations[i].Name, (at[i + 1] - at[i]) / 1000);
            }
        }

        return ticket;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CommandList list in _lists)
        {
            list.Dispose();
        }

        _times?.Dispose();
    }

    private void Record()
    {
        gpu.BuildAhead(_shaders.Select(shader => (Action)(() => gpu.Pipeline(shader))));
        _times = profiled is not null && gpu.Facts.TimestampPeriod > 0 && _operations.Count > 0 ? gpu.CreateTimestamps(_operations.Count + 1) : null;
        CommandRecorder? recorder = null;
        long work = 0;
        for (int i = 0; i < _operations.Count; i++)
        {
            if (recorder is null)
            {
                recorder = gpu.Record();
                if (i == 0 && _times is not null)
                {
                    recorder.Timestamp(_times, 0);
                }
            }

            try
            {
                _operations[i].Record(recorder);
            }
            catch
            {
                recorder.End().Dispose();
                throw;
            }

            recorder.Barrier();
            if (_times is not null)
            {
                recorder.Timestamp(_times, i + 1);
            }

            work += _operations[i].Work;
            if (work > SubmissionWork)
            {
                _lists.Add(recorder.End());
                (recorder, work) = (null, 0);
            }
        }

        if (recorder is not null)
        {
            _lists.Add(recorder.End());
        }
    }
}

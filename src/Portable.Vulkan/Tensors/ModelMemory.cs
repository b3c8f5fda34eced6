using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>
/// The working memory of a model beside its activations and inputs: batch rows, quantized queries, hidden rows and logits.
/// Everything follows the rows of the largest batch so far, so that a decoding model takes no more than it needs.
/// </summary>
internal sealed class ModelMemory : IDisposable
{
    /// <summary>Scores of a decode step that shared memory holds.</summary>
    public const int SharedScores = 2048;

    private const int SharedRows = 16;
    private readonly VulkanContext _gpu;
    private readonly SelfCheckResult _check;
    private readonly List<IRowStorage> _storage = [];
    private readonly List<GpuBuffer> _scores = [];
    private (int HeadSize, int Bits) _attended;
    private AttentionConstants _attention;
    private AttentionTile[] _tiles = [];
    private int _heads = 1, _stretchWords;
    private readonly int _decodeWorkgroup;
    private int _hiddenRows;

    public ModelMemory(VulkanContext gpu, SelfCheckResult check)
    {
        (_gpu, _check) = (gpu, check);
        Batch = new BatchMemory();
        Queries = new QueryMemory();
        Finished = new ArrivalCounters();
        Logits = new LogitMemory();
        Hidden = new VulkanActivation(1);
        Activated = new VulkanActivation(1);

        // A software device runs the invocations of a workgroup one after the other and pays for each barrier per invocation.
        bool software = gpu.Facts.Kind == Devices.VulkanDeviceKind.Cpu;
        PrepareWorkgroup = PrepareWorkgroupOf(gpu.Facts);
        AttentionWorkgroup = AttentionLimits.Workgroup(gpu.Facts);
        _decodeWorkgroup = software ? Math.Min(64, gpu.Facts.MaximumInvocations) : Devices.DeviceBudget.For(gpu.Facts).RowInvocations;
        AppendWorkgroup = software ? 8 : 64;
        LeanAttention = Devices.DeviceBudget.For(gpu.Facts).LeanAttention;
    }

    public BatchMemory Batch { get; }

    public QueryMemory Queries { get; }

    public ArrivalCounters Finished { get; }

    public StretchMemory Stretches { get; } = new();

    /// <summary>The scores of decode steps that shared memory does not hold, of all layers in turn: <see cref="Scores"/>.</summary>
    public IDeviceMemory ScoreMemory { get; } = new SharedScratch();

    public LogitMemory Logits { get; }

    /// <summary>Normalised logit rows.</summary>
    public VulkanActivation Hidden { get; private set; }

    /// <summary>Invocations of a workgroup that quantizes a row.</summary>
    public int PrepareWorkgroup { get; }

    /// <summary>The same for a device.</summary>
    public static int PrepareWorkgroupOf(Devices.VulkanDeviceFacts device) => Devices.DeviceBudget.For(device).RowInvocations;

    /// <summary>Values behind an activation whose rows several workgroups share.</summary>
    public VulkanActivation Activated { get; private set; }

    /// <summary>Invocations of a workgroup that attends.</summary>
    public int AttentionWorkgroup { get; }

    /// <summary>The tile of attention with cooperative matrices, once a batch has taken them.</summary>
    public AttentionTile? MatrixTile { get; private set; }

    /// <summary>Invocations of a workgroup that attends for one new token, of so many at once.</summary>
    public int DecodeWorkgroup(int workgroups) =>
        workgroups > 2 * (_gpu.Facts.Processors > 0 ? _gpu.Facts.Processors : 64) ? Math.Min(_decodeWorkgroup, Devices.DeviceBudget.For(_gpu.Facts).CrowdInvocations) : _decodeWorkgroup;

    /// <summary>Whether decode steps over a 16-bit cache take the kernel that needs few registers.</summary>
    public bool LeanAttention { get; }

    /// <summary>Invocations of a workgroup that appends one head.</summary>
    public int AppendWorkgroup { get; }

    /// <summary>Rows that there is room for.</summary>
    public int Capacity { get; private set; }

    /// <summary>Adds memory that follows the rows.</summary>
    public T Add<T>(T storage)
        where T : IRowStorage
    {
        _storage.Add(storage);
        if (Capacity > 0)
        {
            storage.Resize(_gpu, Capacity);
        }

        return storage;
    }

    /// <summary>Tells the table that says which pages sequences have.</summary>
    /// <exception cref="InvalidOperationException">It is not the only one.</exception>
    public void NeedPages(PageTable table)
    {
        if (Batch.Pages is not null && Batch.Pages != table)
        {
            throw new InvalidOperationException("The caches of one executor share one table of pages.");
        }

        Capacity = Batch.Pages is null ? 0 : Capacity;
        Batch.Pages = table;
    }

    /// <summary>Tells the width of rows that go to the head.</summary>
    public void NeedHidden(int columns)
    {
        if (columns > Hidden.Columns)
        {
            Hidden.Dispose();
            Hidden = new VulkanActivation(columns);
            _hiddenRows = 0;
        }
    }

    /// <summary>Tells the width of what is behind an activation.</summary>
    public void NeedActivated(int columns)
    {
        if (columns > Activated.Columns)
        {
            Activated.Dispose();
            Activated = new VulkanActivation(columns);
            Capacity = 0;
        }
    }

    /// <summary>Workgroups that share a row behind an activation: enough to spread few rows over a GPU.</summary>
    public int ActivationParts(int rows) => rows > SharedRows ? 1 : _gpu.Facts.Kind == Devices.VulkanDeviceKind.Cpu ? 2 : 8;

    /// <summary>Floats of a row that a normalising workgroup holds in shared memory, beside 8 KiB for the rest.</summary>
    public int Stage(int columns) => Math.Min((columns + 63) / 64 * 64, Math.Max(1024, (_gpu.Facts.SharedMemoryBytes - 8192) / 4 / 64 * 64));

    /// <summary>Tokens that splitting a context must take off each workgroup, as the last batch was written.</summary>
    public int SplitTokens { get; private set; }

    /// <summary>Tells the query heads that meet a cache, and what they see of it.</summary>
    public void NeedQueries(AttentionLayout layout, CacheShape cache)
    {
        if (Queries.Widen(layout.Heads, cache))
        {
            Capacity = 0;
        }

        _heads = Math.Max(_heads, layout.Heads);
        _stretchWords = Math.Max(_stretchWords, StretchMemory.WordsOfPair(cache, layout.Window));

        // Blocks have one width of heads; where they have several, the widest decides and the others' kernels follow its tiles.
        if (cache.HeadSize > _attended.HeadSize || cache.Bits != _attended.Bits)
        {
            (_attended, _attention, MatrixTile) = ((cache.HeadSize, cache.Bits), AttentionConstants.For(cache, layout), null);
            _tiles = [.. AttentionTile.Candidates(_gpu.Facts, cache).Where(t => !_check.Failures.ContainsKey(t.ShaderName))];
        }
    }

    /// <summary>Writes a batch in tiles for the attention that serves it.</summary>
    /// <returns>Whether that takes cooperative matrices, and the workgroups that share each context of a decode step.</returns>
    public (bool Matrices, int Stretches) Write(Batch batch, AttentionChoice choice)
    {
        SplitTokens = choice.SplitTokens;
        if (_attended.Bits == 32)
        {
            Batch.Write(batch, AttentionLimits.FloatTileRows(_gpu.Facts));
            return (false, 1);
        }

        bool matrices = _tiles.Length > 0 && batch.Rows >= (long)choice.MatrixRowsOn(_gpu.Facts) * BatchMemory.Runs(batch);
        if (matrices)
        {
            MatrixTile ??= _gpu.Facts.PipelineStatistics ? CleanestPipeline.Of(_tiles, t => _gpu.Pipeline(t.ShaderFor(_attention)).Statistics) : _tiles[0];
        }

        Batch.Write(batch, matrices ? MatrixTile!.Rows : AttentionLimits.TileRows);
        int pairs = batch.Rows * _heads, stretches = Batch.SingleTokens ? choice.Stretches(_gpu.Facts, pairs, Batch.Context) : 1;
        if (stretches > 1)
        {
            Stretches.Ensure(_gpu, choice.SplitPairsOn(_gpu.Facts), _stretchWords);
        }

        return (matrices, stretches);
    }

    /// <summary>Makes room for a batch; true: addresses have changed.</summary>
    public bool Ensure(int rows, int logitRows, int maximumRows)
    {
        bool moved = logitRows > _hiddenRows;
        if (moved)
        {
            _hiddenRows = Math.Min((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)logitRows), maximumRows);
            Hidden.Resize(_gpu, _hiddenRows);
        }

        if (rows <= Capacity)
        {
            return moved;
        }

        int capacity = Math.Min((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)rows), maximumRows);
        Capacity = 0;
        foreach (IRowStorage storage in _storage)
        {
            storage.Resize(_gpu, capacity);
        }

        Batch.Resize(_gpu, capacity);
        Queries.Resize(_gpu, capacity);
        Finished.Resize(_gpu, capacity);
        Activated.Resize(_gpu, Math.Min(capacity, SharedRows));
        Capacity = capacity;
        return true;
    }

    /// <summary>Sets what dispatches count in to 0, where one may not have ended.</summary>
    public void ResetCounters()
    {
        Finished.Reset(_gpu);
        Stretches.Reset(_gpu);
    }

    /// <summary>Address of a score for each (row, head, token) of a decode step. Recorded commands keep the addresses that they have: what was too small stays.</summary>
    public ulong Scores(int rows, int heads, int tokens)
    {
        long bytes = (long)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)rows) * heads * tokens * sizeof(float);
        if (_scores.Count == 0 || _scores[^1].Size < bytes)
        {
            _scores.Add(_gpu.Allocate(bytes));
        }

        return _scores[^1].Address;
    }

    private sealed class SharedScratch : IDeviceMemory;

    public void Dispose()
    {
        _storage.ForEach(s => s.Dispose());
        Batch.Dispose();
        Queries.Dispose();
        Finished.Dispose();
        Stretches.Dispose();
        Hidden.Dispose();
        Activated.Dispose();
        Logits.Dispose();
        _scores.ForEach(b => b.Dispose());
    }
}

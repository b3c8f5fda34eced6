using Portable.Execution;
using Portable.Reference.Arithmetic;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>A table: embedding, positions, head.</summary>
internal abstract class VulkanTable(int rows, int columns) : DeviceTable(rows, columns)
{
    /// <summary>What its elements are (include/table.glsl).</summary>
    public abstract TableType ShaderType { get; }

    /// <summary>Where it lies.</summary>
    public abstract ulong Address { get; }

    /// <summary>Bytes of a row.</summary>
    public abstract long RowBytes { get; }

    /// <summary>Bits of a code; of no meaning for floats, like the two addresses, which are valid ones all the same.</summary>
    public virtual int Bits => 8;

    /// <summary>Whether the scales of codes are halves.</summary>
    public virtual bool HalfScales => false;

    /// <summary>Scales of the rows of codes.</summary>
    public virtual ulong Scales => Address;

    /// <summary>Zero points of the rows of codes as they are stored.</summary>
    public virtual ulong Zeros => Address;
}

/// <summary>A table of codes: as a head the matrix of a linear layer, as an embedding rows of the same memory.</summary>
/// <param name="matrix">The codes.</param>
/// <param name="spec">What a head of them reads.</param>
internal sealed class VulkanCodeTable(GpuLinear matrix, InputSpec spec) : VulkanTable(matrix.Rows, matrix.Layout.Columns)
{
    private VulkanInput? _input;

    public GpuLinear Matrix => matrix;

    /// <summary>What a head multiplies, made when first asked for: an embedding alone needs none.</summary>
    public VulkanInput Input(VulkanContext gpu, ModelMemory memory) => _input ??= memory.Add(new VulkanInput(spec, gpu));

    public override TableType ShaderType => TableType.Codes;

    public override ulong Address => matrix.Codes;

    public override long RowBytes => matrix.Bytes / matrix.PaddedRows;

    public override int Bits => matrix.Format.Bits;

    public override bool HalfScales => matrix.HalfScales;

    public override ulong Scales => matrix.Scales;

    public override ulong Zeros => matrix.Zeros;
}

/// <summary>A float table in its checkpoint's element type.</summary>
internal sealed class VulkanFloatTable(int rows, int columns, ElementType type, GpuBuffer buffer) : VulkanTable(rows, columns)
{
    public override ulong Address => buffer.Address;

    public override TableType ShaderType => type switch
    {
        ElementType.Float32 => TableType.Float32,
        ElementType.Float16 => TableType.Float16,
        _ => TableType.BFloat16,
    };

    public override long RowBytes => Columns * (ShaderType == TableType.Float32 ? 4L : 2);

    /// <summary>Whether eight neighbouring elements of a row are one aligned vector.</summary>
    public bool Wide => type != ElementType.Float32 && Columns % 8 == 0;
}

/// <summary>Gain, then LayerNorm's bias.</summary>
internal sealed class VulkanNorm(GpuBuffer buffer, int width, bool biased, float epsilon) : DeviceNorm
{
    public GpuBuffer Buffer => buffer;

    /// <summary>Values that it runs over.</summary>
    public int Width => width;

    /// <summary>What a row goes through: LayerNorm where there is a bias.</summary>
    public PrepareSource Source => biased ? PrepareSource.LayerNorm : PrepareSource.RmsNorm;

    public float Epsilon => epsilon;
}

/// <summary>Of each position the cosines of all pairs that turn, then their sines; then the same for queries where they have their own.</summary>
internal sealed class VulkanRotary(GpuBuffer buffer, int pairs, bool queries) : DeviceRotary, IDeviceMemory
{
    public GpuBuffer Buffer => buffer;

    /// <summary>Pairs of a head that turn.</summary>
    public int Pairs => pairs;

    /// <summary>Whether queries have cosines and sines of their own.</summary>
    public bool HasQueries => queries;
}

/// <summary>Keys and values of one block; the layout is drawn in shaders/include/attention.glsl.</summary>
internal sealed class VulkanCache(CacheShape shape, GpuBuffer keys, GpuBuffer values, GpuBuffer parameters) : DeviceCache, IDeviceMemory
{
    public const int ChunkTokens = 64;

    public CacheShape Shape => shape;

    public GpuBuffer Keys => keys;

    public GpuBuffer Values => values;

    /// <summary>Scales, and zero points of 2 … 8-bit codes.</summary>
    public GpuBuffer Parameters => parameters;

    /// <summary>Bytes of keys, values and parameters of one token.</summary>
    public long TokenBytes => shape.KeyValueHeads * ((2L * HeadWords(shape) * 4) + ParameterBytes(shape));

    /// <summary>Records the copy of a page: of every head its chunk, in each plane of the parameters alike.</summary>
    public void CopyPage(CommandRecorder recorder, int source, int target)
    {
        for (int head = 0; head < shape.KeyValueHeads; head++)
        {
            long first = (long)head * Pages(shape), from = (first + source) * ChunkTokens, to = (first + target) * ChunkTokens;
            Copy(keys, 0, HeadWords(shape));
            Copy(values, 0, HeadWords(shape));
            for (int plane = 0; plane < ParameterBytes(shape) / sizeof(uint); plane++)
            {
                Copy(parameters, plane * Slots(shape), 1);
            }

            void Copy(GpuBuffer buffer, long start, int words) =>
                recorder.Copy(buffer, (start + (from * words)) * sizeof(uint), buffer, (start + (to * words)) * sizeof(uint), (long)ChunkTokens * words * sizeof(uint));
        }
    }

    /// <summary>32-bit words of one head of one token.</summary>
    public static int HeadWords(CacheShape shape) => (shape.HeadSize * AttentionConstants.FieldBitsOf(shape.Bits) + 31) / 32;

    /// <summary>Bytes of <see cref="Parameters"/> of one head of one token.</summary>
    public static int ParameterBytes(CacheShape shape) => shape.Bits switch { 32 => 0, 16 => 8, _ => 16 };

    /// <summary>Capacity of a sequence in chunks of 64 tokens.</summary>
    public static int Chunks(CacheShape shape) => (shape.Capacity + ChunkTokens - 1) / ChunkTokens;

    /// <summary>Chunks that a row sees at most (shaders/include/attention.glsl, seenChunks).</summary>
    /// <param name="shape">The cache.</param>
    /// <param name="window">Positions that a token sees, 0 = all before it.</param>
    public static int SeenChunks(CacheShape shape, int window) => window == 0 ? Chunks(shape) : Math.Min(((window + ChunkTokens - 2) / ChunkTokens) + 1, Chunks(shape) + 1);

    /// <summary>Pages of 64 tokens of every head that it has room for.</summary>
    public static int Pages(CacheShape shape) => shape.Table?.Pages ?? shape.Sequences * Chunks(shape);

    /// <summary>Tokens × KV heads that it has room for.</summary>
    public static long Slots(CacheShape shape) => (shape.Table?.Pages ?? (long)shape.Sequences * Chunks(shape)) * shape.KeyValueHeads * ChunkTokens;
}

/// <summary>An f32 activation; its memory follows the rows of the largest batch so far.</summary>
internal sealed class VulkanActivation(int columns, PhasedMemory? shared = null) : DeviceActivation(columns), IRowStorage, IDeviceMemory
{
    private GpuBuffer? _buffer;

    public ulong Address { get; private set; }

    /// <summary>The memory of an activation that has its own.</summary>
    public GpuBuffer Buffer => _buffer ?? throw new InvalidOperationException("An activation of a phase holds its values during a forward pass only.");

    /// <summary>The memory that it lies in.</summary>
    public IDeviceMemory Memory => shared is null ? this : shared;

    /// <summary>Bytes of a row.</summary>
    public long RowBytes => Columns * (long)sizeof(float);

    public void Resize(VulkanContext gpu, int rows)
    {
        _buffer?.Dispose();
        _buffer = gpu.Allocate((long)rows * Columns * sizeof(float));
        Address = _buffer.Address;
    }

    /// <summary>Moves an activation of shared memory.</summary>
    public void Place(ulong address) => Address = address;

    public void Dispose() => _buffer?.Dispose();
}

/// <summary>Activations in phases over the same memory: those of a phase lie one behind the other.</summary>
internal sealed class PhasedMemory : IRowStorage, IDeviceMemory
{
    private const long Alignment = 256;
    private GpuBuffer? _buffer;

    public PhasedMemory(int[][] phases) => Activations = [.. phases.Select(p => p.Select(columns => new VulkanActivation(columns, this)).ToArray())];

    public VulkanActivation[][] Activations { get; }

    public void Resize(VulkanContext gpu, int rows)
    {
        _buffer?.Dispose();
        _buffer = gpu.Allocate(Activations.Max(phase => phase.Sum(a => Bytes(a, rows))));
        foreach (VulkanActivation[] phase in Activations)
        {
            ulong address = _buffer.Address;
            foreach (VulkanActivation activation in phase)
            {
                activation.Place(address);
                address += (ulong)Bytes(activation, rows);
            }
        }
    }

    public void Dispose() => _buffer?.Dispose();

    private static long Bytes(VulkanActivation activation, int rows) => ((long)rows * activation.Columns * sizeof(float) + Alignment - 1) / Alignment * Alignment;
}

/// <summary>Memory whose size follows the rows of the largest batch so far.</summary>
internal interface IRowStorage : IDisposable
{
    /// <summary>Makes room for <paramref name="rows"/> rows; the content is lost.</summary>
    void Resize(VulkanContext gpu, int rows);
}

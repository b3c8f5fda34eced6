using Portable.Execution;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>Quantized activations on the device, as quantizers write and matmuls read them (shaders/include/prepare_push.glsl).</summary>
internal sealed class VulkanInput : DeviceInput, IRowStorage, IDeviceMemory
{
    private const uint MostHeldWords = 8;
    private readonly GpuBuffer? _map;
    private GpuBuffer? _codes, _highCodes, _scales, _sums, _highSums;

    public VulkanInput(InputSpec spec, VulkanContext gpu)
        : base(spec)
    {
        ActivationQuantizer quantizer = spec.Quantizer
            ?? throw new ArgumentException("Float layers read f32 rows.", nameof(spec));
        Scales = spec.Layout.Scales(quantizer.GroupSize);
        if (quantizer.Map is { } map)
        {
            int[] rows = new int[map.Source.Length * 4];
            for (int j = 0; j < map.Source.Length; j++)
            {
                (rows[4 * j], rows[(4 * j) + 1], rows[(4 * j) + 2]) = (map.Source[j], map.Offset[j], map.Limit[j]);
            }

            _map = gpu.Allocate<int>(rows);
        }
    }

    /// <summary>Which groups of a token share a scale.</summary>
    public ScaleGroups Scales { get; }

    /// <summary>Whether columns go through a map.</summary>
    public bool Mapped => _map is not null;

    /// <summary>Whether four neighbours are read at once: no map, and no group that ends between them.</summary>
    public bool Quads => !Mapped && Spec.Layout.Columns % 4 == 0 && (Spec.Layout.Groups == 1 || Spec.Layout.GroupSize % 4 == 0);

    /// <summary>Address of the column map, or 0.</summary>
    public ulong Map => _map?.Address ?? 0;

    /// <summary>Where the codes lie.</summary>
    public ActivationAddresses Addresses => new(_codes!.Address, _highCodes?.Address ?? 0, _scales!.Address, _sums!.Address, _highSums?.Address ?? 0);

    /// <summary>Sizes for the shaders.</summary>
    public QuantizerSizes Sizes
    {
        get
        {
            ActivationQuantizer quantizer = Spec.Quantizer!;
            return new QuantizerSizes
            {
                Columns = (uint)Spec.Layout.Columns,
                GroupColumns = (uint)Spec.Layout.GroupSize,
                GroupWords = (uint)Spec.Layout.BlocksPerGroup * 16,
                Groups = (uint)Spec.Layout.Groups,
                RowWords = (uint)Spec.Layout.Blocks * 16,
                Scales = (uint)Scales.Count,
                InverseLevels = quantizer.Mode switch
                {
                    ActivationMode.Static => 1f / quantizer.StaticScale,
                    ActivationMode.Symmetric => 1f / quantizer.Format.Maximum,
                    _ => 1f / ((1 << quantizer.Format.Bits) - 1),
                },
                StaticScale = quantizer.StaticScale,
            };
        }
    }

    /// <summary>Bytes of a row's codes.</summary>
    public long RowBytes => Spec.Layout.PaddedColumns * (Spec.Quantizer!.Format.Bits == 16 ? 2L : 1);

    /// <summary>How a shader quantizes a row.</summary>
    /// <param name="workgroup">Invocations that quantize it.</param>
    public RowQuantizer Quantizer(int workgroup) => new(
        (uint)Spec.Quantizer!.Mode,
        Spec.Quantizer.Format.Bits,
        Mapped,
        (uint)Spec.Layout.Groups,
        Sizes.GroupWords,
        Quads,
        HeldWords(Sizes.RowWords, workgroup),
        Scales.Count == 1 ? 1 : (uint)Scales.Span);

    /// <summary>Words of each of <paramref name="workgroup"/> invocations whose values stay in registers: all of a row of <paramref name="rowWords"/>, or what registers hold.</summary>
    public static uint HeldWords(uint rowWords, int workgroup) => Math.Min((rowWords + (uint)workgroup - 1) / (uint)workgroup, MostHeldWords);

    public void Resize(VulkanContext gpu, int rows)
    {
        Release();
        long codes = GpuActivations.TiledRows(rows) * (long)Spec.Layout.PaddedColumns, sums = (long)rows * Spec.Layout.Groups * sizeof(int);
        _codes = gpu.Allocate(codes);
        _scales = gpu.Allocate((long)rows * Scales.Count * 8);
        _sums = gpu.Allocate(sums);
        if (Spec.Quantizer!.Format.Bits == 16)
        {
            _highCodes = gpu.Allocate(codes);
            _highSums = gpu.Allocate(sums);
        }
    }

    public void Dispose()
    {
        Release();
        _map?.Dispose();
    }

    private void Release()
    {
        _codes?.Dispose();
        _highCodes?.Dispose();
        _scales?.Dispose();
        _sums?.Dispose();
        _highSums?.Dispose();
    }
}

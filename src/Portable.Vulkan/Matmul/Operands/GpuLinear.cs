using System.Runtime.InteropServices;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>
/// Quantized linear layers on the device: layers with one format, layout and input side by side become one matrix. Planes are
/// regrouped by the device itself (shaders/matmul/repack.comp); bytes per weight stay bits/8.
/// </summary>
internal sealed class GpuLinear : IDisposable
{
    private readonly List<GpuBuffer> _buffers = [];
    private readonly GpuBuffer _weights, _scales, _zeros;
    private readonly ScaleGroups _weightScales, _activationScales;
    private readonly bool _halfScales;
    private readonly GpuBuffer? _sums, _bias;
    private readonly List<(string Technique, GpuBuffer Memory)> _scratch = [];

    private GpuLinear(VulkanContext gpu, IReadOnlyList<QuantizedLinear> parts)
    {
        QuantizedLinear first = parts[0];
        (Layout, Format, Rows) = (first.Weights.Layout, first.Weights.Format, parts.Sum(p => p.OutputFeatures));
        ActivationFormat = first.Input.Format;
        (_weightScales, _activationScales) = (first.ScaleGroups, Layout.Scales(first.Input.GroupSize));
        _halfScales = parts.All(p => p.Scales.Format == ScaleFormat.Half);
        PaddedRows = (Rows + TileRows - 1) / TileRows * TileRows;
        HasZeroPoints = parts.Any(p => p.ZeroPoints is not null);

        int groups = Layout.Groups, row = 0;
        int own = _weightScales.Count;
        byte[] scales = new byte[own * PaddedRows * (_halfScales ? sizeof(ushort) : sizeof(float))];
        byte[] zeros = new byte[StoredZeroBytes(Format, own * PaddedRows)];
        int[] sums = new int[groups * PaddedRows];
        float[] bias = new float[Rows];
        int offset = StoredCodes.WeightOffset(Format);
        foreach (QuantizedLinear part in parts)
        {
            for (int n = 0; n < part.OutputFeatures; n++, row++)
            {
                for (int s = 0; s < own; s++)
                {
                    (int to, int from) = (s * PaddedRows + row, n * own + s);
                    if (_halfScales)
                    {
                        MemoryMarshal.Cast<byte, ushort>(scales.AsSpan())[to] = part.Scales.Halves[from];
                    }
                    else
                    {
                        MemoryMarshal.Cast<byte, float>(scales.AsSpan())[to] = part.Scales[from];
                    }

                    StoreZero(zeros, to, (part.ZeroPoints?[n, s] ?? 0) - offset);
                }

                for (int g = 0; g < groups; g++)
                {
                    sums[g * PaddedRows + row] = part.Weights.RowSums[n * groups + g] - offset * Layout.ColumnsIn(g);
                }

                bias[row] = part.Bias?[n] ?? 0;
            }
        }

        try
        {
            _weights = Keep(WeightUpload.Planes(gpu, [.. parts.Select(p => p.Weights)], PaddedRows));
            _scales = Keep(gpu.Allocate<byte>(scales));
            _sums = NeedsSums(ActivationFormat) ? Keep(gpu.Allocate<int>(sums)) : null;
            _zeros = Keep(gpu.Allocate<byte>(zeros));
            _bias = parts.Any(p => p.Bias is not null) ? Keep(gpu.Allocate<float>(bias)) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private GpuLinear(VulkanContext gpu, GpuLinear source)
    {
        (Layout, Format, Rows, PaddedRows) = (source.Layout, source.Format, source.Rows, source.PaddedRows);
        (ActivationFormat, HasZeroPoints) = (source.ActivationFormat, source.HasZeroPoints);
        (_weightScales, _activationScales, _halfScales) = (source._weightScales, source._activationScales, source._halfScales);
        GpuBuffer Copy(GpuBuffer from)
        {
            GpuBuffer to = Keep(gpu.Allocate(from.Size));
            gpu.Run(r => r.Copy(from, 0, to, 0, from.Size));
            return to;
        }

        try
        {
            (_weights, _scales, _zeros) = (Copy(source._weights), Copy(source._scales), Copy(source._zeros));
            _sums = source._sums is { } sums ? Copy(sums) : null;
            _bias = source._bias is { } bias ? Copy(bias) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private GpuLinear(GpuLinear source, ActivationQuantizer input)
    {
        (Layout, Format, Rows, PaddedRows) = (source.Layout, source.Format, source.Rows, source.PaddedRows);
        (ActivationFormat, HasZeroPoints) = (input.Format, source.HasZeroPoints);
        (_weightScales, _activationScales, _halfScales) = (source._weightScales, source._activationScales, source._halfScales);
        (_weights, _scales, _zeros, _sums, _bias) = (source._weights, source._scales, source._zeros, source._sums, source._bias);
    }

    /// <summary>Rows of a tile of the device layout.</summary>
    public const int TileRows = 32;

    /// <summary>N.</summary>
    public int Rows { get; }

    /// <summary>N rounded up to whole tiles.</summary>
    public int PaddedRows { get; }

    /// <summary>K and its groups.</summary>
    public GroupLayout Layout { get; }

    /// <summary>Weight codes.</summary>
    public CodeFormat Format { get; }

    /// <summary>Codes of the activations it takes.</summary>
    public CodeFormat ActivationFormat { get; }

    /// <summary>Whether channels have zero points of their own.</summary>
    public bool HasZeroPoints { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _buffers.Sum(b => b.Size);

    /// <summary>Where the codes lie (shaders/include/weights.glsl).</summary>
    public ulong Codes => _weights.Address;

    /// <summary>Whether scales are halves (shaders/include/weight_scales.glsl).</summary>
    public bool HalfScales => _halfScales;

    /// <summary>Where the scales lie, [scale group × padded rows + row].</summary>
    public ulong Scales => _scales.Address;

    /// <summary>Where the stored zero points lie, in the scales' order: fields of four bits, or signed bytes for codes of more.</summary>
    public ulong Zeros => _zeros.Address;

    /// <summary>Takes layers to the device.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="parts">At least one; formats, layouts and inputs equal.</param>
    /// <exception cref="ArgumentException">They differ, or Int32 sums could overflow.</exception>
    public static GpuLinear Upload(VulkanContext gpu, IReadOnlyList<QuantizedLinear> parts)
    {
        QuantizedLinear first = parts[0];
        if (parts.Any(p => !CanJoin(first, p)))
        {
            throw new ArgumentException("Layers that are joined must have one weight format, layout and activation format.", nameof(parts));
        }

        _ = new MatmulShape(1, first.OutputFeatures, first.Weights.Layout, first.Weights.Format, first.Input.Format);
        return new GpuLinear(gpu, parts);
    }

    /// <summary>The same weights for activations of another width, in this one's memory; null where they would need more of it.</summary>
    internal GpuLinear? Reading(ActivationQuantizer input) => Layout.Scales(input.GroupSize) == _activationScales && (_sums is not null || !NeedsSums(input.Format)) ? new GpuLinear(this, input) : null;

    /// <summary>A copy on the device, for measuring with more weights than a cache holds.</summary>
    internal GpuLinear Duplicate(VulkanContext gpu) => new(gpu, this);

    /// <summary>Whether two layers can be one matrix on the device.</summary>
    public static bool CanJoin(QuantizedLinear a, QuantizedLinear b) =>
        a.Weights.Format == b.Weights.Format && a.Weights.Layout == b.Weights.Layout && a.ScaleGroups == b.ScaleGroups && a.Input.Format == b.Input.Format && a.Input.GroupSize == b.Input.GroupSize;

    /// <summary>The problem of multiplying M tokens.</summary>
    public MatmulProblem Problem(int m, bool residual = false, MatmulOutput output = MatmulOutput.Float32, bool general = false) =>
        new(m, Rows, Layout, Format, ActivationFormat, HasZeroPoints, residual, output, general) { HalfScales = _halfScales, WeightScales = _weightScales, ActivationScales = _activationScales };

    /// <inheritdoc/>
    public void Dispose() => _buffers.ForEach(b => b.Dispose());

    /// <summary>Whether the sums of weight codes count: they are multiplied by what activation codes are stored or quantized off zero by.</summary>
    internal static bool NeedsSums(CodeFormat activations) => !activations.Signed || activations.Bits == 16;

    /// <summary>Bytes of so many stored zero points.</summary>
    internal static int StoredZeroBytes(CodeFormat weights, int count) => weights.Bits <= 4 ? count / 2 : count;

    // Codes of up to four bits are stored without sign, and so are their zero points.
    private void StoreZero(byte[] zeros, int at, int zero)
    {
        if (Format.Bits > 4)
        {
            zeros[at] = (byte)checked((sbyte)zero);
        }
        else
        {
            zeros[at / 2] |= (byte)(zero << (at % 2 * 4));
        }
    }

    private GpuBuffer Keep(GpuBuffer buffer)
    {
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>
    /// Address of at least so much memory for workgroups that share outputs: zeros, which kernels leave as zeros where they count
    /// and add. A larger one does not replace those that recorded commands hold.
    /// </summary>
    /// <param name="gpu">The device.</param>
    /// <param name="technique">Whose: what one leaves another must not add to.</param>
    /// <param name="bytes">How much.</param>
    internal ulong Scratch(VulkanContext gpu, string technique, long bytes)
    {
        if (bytes == 0)
        {
            return _weights.Address;
        }

        lock (_scratch)
        {
            if (_scratch.Find(s => s.Technique == technique && s.Memory.Size >= bytes).Memory is not { } enough)
            {
                enough = Keep(gpu.Allocate<byte>(new byte[bytes]));
                _scratch.Add((technique, enough));
            }

            return enough.Address;
        }
    }

    /// <summary>Makes scratch memory zeros again, where a dispatch may not have ended.</summary>
    internal void ResetScratch(VulkanContext gpu)
    {
        lock (_scratch)
        {
            _scratch.ForEach(s => gpu.Run(r => r.Fill(s.Memory, 0, s.Memory.Size, 0)));
        }
    }

    /// <summary>The push constants of a matmul with these weights.</summary>
    // Every address is a valid one, also where nothing is to be read: compilers may load ahead of a test.
    internal MatmulPush Arguments(ActivationAddresses x, MatmulProblem problem, ulong y, int yStride, ulong scratch) => new()
    {
        X = x.Codes,
        XHigh = x.HighCodes != 0 ? x.HighCodes : x.Codes,
        XScales = x.Scales,
        XSums = x.Sums,
        XHighSums = x.HighSums != 0 ? x.HighSums : x.Sums,
        W = _weights.Address,
        WScales = _scales.Address,
        WZeros = _zeros.Address,
        WSums = (_sums ?? _scales).Address,
        Bias = (_bias ?? _scales).Address,
        Y = y,
        M = (uint)problem.M,
        N = (uint)Rows,
        K = (uint)Layout.Columns,
        GroupSize = (uint)Layout.GroupSize,
        YStride = (uint)yStride,
        Zw = -StoredCodes.WeightOffset(Format),
        XOffset = StoredCodes.ActivationOffset(ActivationFormat),
        Flags = (_activationScales.Count > 1 ? 1u : 0u) | (_bias is not null ? 2u : 0u) | (problem.Residual ? 4u : 0u) | (problem.Output == MatmulOutput.Float16 ? 8u : 0u),
        Scratch = scratch,
    };
}

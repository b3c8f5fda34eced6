using System.Runtime.InteropServices;
using Portable.Reference.BitPlanes;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>Quantized activations taken from the host to the device, for verification and benchmarks.</summary>
internal sealed class GpuActivations : IDisposable
{
    // Rows whose blocks lie together.
    private const int TileRows = 8;

    private readonly GpuBuffer _codes, _scales, _sums;
    private readonly GpuBuffer? _highCodes, _highSums;

    private GpuActivations(VulkanContext gpu, QuantizedActivations x)
    {
        int padded = x.Layout.PaddedColumns, scales = x.ScaleGroups.Count;
        byte[] codes = x.Codes.AsSpan(0, x.Rows * padded).ToArray();
        if (StoredCodes.ActivationOffset(x.Format) != 0 || x.HighDigits is not null)
        {
            FlipRealColumns(codes, x);
        }

        var pairs = new (float Scale, int Zero)[x.Rows * scales];
        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = (x.Scales[i], x.ZeroPoints[i]);
        }

        _codes = gpu.Allocate<byte>(Tiled(codes, x));
        _scales = gpu.Allocate<(float, int)>(pairs);
        _sums = gpu.Allocate<int>(x.RowSums.AsSpan(0, x.Rows * x.Layout.Groups));
        if (x.HighDigits is { } high)
        {
            byte[] highCodes = high.AsSpan(0, codes.Length).ToArray();
            if (StoredCodes.ActivationOffset(x.Format) != 0)
            {
                FlipRealColumns(highCodes, x);
            }

            _highCodes = gpu.Allocate<byte>(Tiled(highCodes, x));
            _highSums = gpu.Allocate<int>(x.HighRowSums.AsSpan(0, x.Rows * x.Layout.Groups));
        }
    }

    /// <summary>Where they lie.</summary>
    public ActivationAddresses Addresses => new(_codes.Address, _highCodes?.Address ?? 0, _scales.Address, _sums.Address, _highSums?.Address ?? 0);

    /// <summary>Rows that codes of a number of rows take memory for.</summary>
    public static int TiledRows(int rows) => (rows + TileRows - 1) / TileRows * TileRows;

    /// <summary>Takes activations to the device.</summary>
    public static GpuActivations Upload(VulkanContext gpu, QuantizedActivations x) => new(gpu, x);

    /// <inheritdoc/>
    public void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
        _sums.Dispose();
        _highCodes?.Dispose();
        _highSums?.Dispose();
    }

    // Tiles of 8 rows × 64 columns, rows four apart side by side (shaders/include/activation_tiles.glsl).
    private static byte[] Tiled(byte[] codes, QuantizedActivations x)
    {
        int blocks = x.Layout.Blocks;
        byte[] tiled = new byte[TiledRows(x.Rows) * blocks * GroupLayout.BlockSize];
        for (int row = 0; row < x.Rows; row++)
        {
            int place = ((row & 3) << 1) | ((row >> 2) & 1);
            for (int b = 0; b < blocks; b++)
            {
                codes.AsSpan(((row * blocks) + b) * GroupLayout.BlockSize, GroupLayout.BlockSize)
                    .CopyTo(tiled.AsSpan((((((row / TileRows) * blocks) + b) * TileRows) + place) * GroupLayout.BlockSize));
            }
        }

        return tiled;
    }

    // code − 128 as a byte is the code with its top bit flipped; padding stays 0.
    private static void FlipRealColumns(byte[] codes, QuantizedActivations x)
    {
        GroupLayout layout = x.Layout;
        for (int row = 0; row < x.Rows; row++)
        {
            for (int g = 0; g < layout.Groups; g++)
            {
                int start = row * layout.PaddedColumns + layout.FirstBlock(g) * GroupLayout.BlockSize;
                foreach (ref byte code in codes.AsSpan(start, layout.ColumnsIn(g)))
                {
                    code ^= 0x80;
                }
            }
        }
    }
}

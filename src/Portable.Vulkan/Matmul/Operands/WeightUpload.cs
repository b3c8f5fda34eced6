using Portable.Reference.BitPlanes;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>Takes packed planes to the device and has it regroup them into the layout of shaders/include/weights.glsl.</summary>
internal static class WeightUpload
{
    private const long PartBytes = 32L << 20;

    /// <summary>Uploads matrices of one format and layout as one, row after row; rows up to <paramref name="paddedRows"/> are zeros.</summary>
    public static GpuBuffer Planes(VulkanContext gpu, IReadOnlyList<BitPlaneMatrix> parts, int paddedRows)
    {
        GpuBuffer target = gpu.Allocate(paddedRows * RowBytes(parts[0]));
        try
        {
            Repack(gpu, parts, target);
            return target;
        }
        catch
        {
            target.Dispose();
            throw;
        }
    }

    private static long RowBytes(BitPlaneMatrix matrix) => 8L * matrix.Layout.Blocks * matrix.Format.Bits;

    private static void Repack(VulkanContext gpu, IReadOnlyList<BitPlaneMatrix> parts, GpuBuffer target)
    {
        (GroupLayout layout, CodeFormat format) = (parts[0].Layout, parts[0].Format);
        long rowBytes = RowBytes(parts[0]);
        RepackShader repack = new() { Bits = format.Bits };
        int rowsPerPart = (int)Math.Clamp(PartBytes / rowBytes, 1, Math.Min(32768, parts.Max(p => p.Rows)));
        using GpuBuffer staging = gpu.Allocate(rowsPerPart * rowBytes);
        bool cleared = false;
        int firstRow = 0;
        foreach (BitPlaneMatrix part in parts)
        {
            ulong[] room = part.BaseFive is null ? [] : new ulong[checked(rowsPerPart * part.RowWords)];
            for (int row = 0; row < part.Rows; row += rowsPerPart)
            {
                int rows = Math.Min(rowsPerPart, part.Rows - row);
                gpu.Upload(part.ReadRows(row, rows, room), staging);
                var arguments = new RepackPush(staging.Address, target.Address, (uint)rows, (uint)layout.Blocks, (uint)(firstRow + row), StoredCodes.FlipsTopPlane(format) ? uint.MaxValue : 0);
                gpu.Run(r => (cleared ? r : r.Fill(target, 0, target.Size, 0).Barrier()).Dispatch(repack, arguments, (layout.Blocks * 2 + 63) / 64, rows));
                cleared = true;
            }

            firstRow += part.Rows;
        }
    }
}

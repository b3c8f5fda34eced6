using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>Dispatches of the f64 kernels.</summary>
internal static class DoubleMoves
{
    /// <summary>Records a move.</summary>
    public static void Record(CommandRecorder recorder, DoubleMove move, in DoubleMovePush push, TableType type = TableType.Float32)
    {
        DoubleMoveShader shader = new() { Move = move, TableType = type };
        recorder.Dispatch(shader, push, ((int)push.Columns + shader.Workgroup - 1) / shader.Workgroup, (int)push.Rows);
    }

    /// <summary>Moves values, behind what was recorded so far.</summary>
    public static void Move(this Submissions work, DoubleMove move, in DoubleMovePush push, TableType type = TableType.Float32)
    {
        DoubleMovePush own = push;
        work.Run(r => Record(r, move, own, type), 30.0 * push.Rows * push.Columns);
    }

    /// <summary>The kernel of c −= a·b.</summary>
    public static DoubleUpdateShader Update(VulkanContext gpu) => new() { Tile = gpu.Facts.Kind == VulkanDeviceKind.Cpu ? 32 : 64 };

    /// <summary>c −= a·b, some rows at a time, behind what was recorded so far.</summary>
    /// <param name="work">Where to.</param>
    /// <param name="shader">The kernel; its group has been set.</param>
    /// <param name="push">Matrices and sizes.</param>
    public static void Update(this Submissions work, DoubleUpdateShader shader, in DoubleUpdatePush push)
    {
        int groups = shader.Group > 0 ? ((int)push.K + shader.Group - 1) / shader.Group : 1;
        double perRow = 2.0 * push.N * push.K;
        int most = Math.Max(shader.Tile, (int)Math.Min(push.M, work.MostWork / perRow) / shader.Tile * shader.Tile);
        for (int first = 0; first < push.M; first += most)
        {
            int rows = Math.Min(most, (int)push.M - first);
            DoubleUpdatePush part = push with { A = push.A + (8ul * (ulong)first * push.AStride), C = push.C + (8ul * (ulong)first * push.CStride), M = (uint)rows };
            work.Run(r => r.Dispatch(shader, part, ((int)part.N + shader.Tile - 1) / shader.Tile, (rows + shader.Tile - 1) / shader.Tile, groups), perRow * rows);
        }
    }
}

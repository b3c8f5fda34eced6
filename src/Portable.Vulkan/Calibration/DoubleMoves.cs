using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>Dispatches of the f64 kernels.</summary>
internal static class DoubleMoves
{
    /// <summary>Records a move.</summary>
    public static void Record(CommandRecorder recorder, DoubleMove move, in DoubleMovePush push)
    {
        DoubleMoveShader shader = new() { Move = move };
        recorder.Dispatch(shader, push, ((int)push.Columns + shader.Workgroup - 1) / shader.Workgroup, (int)push.Rows);
    }

    /// <summary>The kernel of c −= a·b.</summary>
    public static DoubleUpdateShader Update(VulkanContext gpu, bool reversed, bool lower) =>
        new() { Tile = gpu.Facts.Kind == VulkanDeviceKind.Cpu ? 32 : 64, Reversed = reversed, Lower = lower };

    /// <summary>Records c −= a·b.</summary>
    public static void Record(CommandRecorder recorder, DoubleUpdateShader shader, in DoubleUpdatePush push) =>
        recorder.Dispatch(shader, push, ((int)push.N + shader.Tile - 1) / shader.Tile, ((int)push.M + shader.Tile - 1) / shader.Tile);
}

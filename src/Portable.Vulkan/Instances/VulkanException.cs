using Portable.Execution;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Instances;

/// <summary>A Vulkan call failed or a device cannot serve; the message says what to do about it.</summary>
internal sealed class VulkanException : DeviceException
{
    /// <summary>Creates an error with a message of its own.</summary>
    public VulkanException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public VulkanException(string reason, string advice)
        : base(reason, advice)
    {
    }

    /// <summary>Creates an error from a result code.</summary>
    /// <param name="call">What was being done.</param>
    /// <param name="code">Its result.</param>
    public VulkanException(string call, Result code)
        : base($"{call} failed: {Explain(code)}") => Code = code;

    /// <summary>The result code, Success where there was none.</summary>
    public Result Code { get; }

    /// <summary>Throws unless <paramref name="code"/> is success.</summary>
    public static void Check(Result code, string call)
    {
        if (code < Result.Success)
        {
            throw new VulkanException(call, code);
        }
    }

    private static string Explain(Result code) => code switch
    {
        Result.ErrorOutOfDeviceMemory => "the device's memory is full; use a smaller model, context or batch, or close other programs that use the GPU",
        Result.ErrorOutOfHostMemory => "the host's memory is full",
        Result.ErrorDeviceLost => "the device was lost (a driver reset or a kernel that ran too long); run again, or use the device cpu",
        Result.ErrorInitializationFailed => "the driver could not start; check that the GPU driver is installed and not busy",
        Result.ErrorIncompatibleDriver => "the driver is too old for Vulkan 1.3; update it",
        Result.Timeout => "the device did not finish in time; it may hang, or another program may occupy it",
        _ => code.ToString(),
    };
}

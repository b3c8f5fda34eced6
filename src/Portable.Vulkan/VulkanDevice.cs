using Portable.Calibration;
using Portable.Execution;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan;

/// <summary>A Vulkan device as a choice.</summary>
/// <param name="selector">Null for the best; an index; or part of a name.</param>
internal sealed class VulkanDevice(string? selector) : Device(selector is null ? "vulkan" : $"vulkan:{selector}")
{
    /// <summary>Null for the best; an index; or part of a name.</summary>
    public string? Selector => selector;

    /// <summary>Its facts, once it has stood its first check.</summary>
    /// <param name="say">Told what to know of the device before the work.</param>
    public VulkanDeviceFacts Choose(Action<string>? say)
    {
        VulkanDeviceFacts facts = CheckedDevices.Choose(selector);
        if (facts.Caution is { } caution)
        {
            say?.Invoke(caution);
        }

        return facts;
    }

    /// <summary>Opens it; the caller owns it.</summary>
    /// <param name="say">Told what to know of the device before the work.</param>
    public VulkanContext OpenContext(Action<string>? say) => VulkanContext.Open(Choose(say));

    internal override OpenedDevice Open(Action<string>? say)
    {
        VulkanContext gpu = OpenContext(say);
        try
        {
            SelfCheckResult check = SelfCheck.Of(gpu);
            foreach (string message in check.Messages($"vulkan:{gpu.Facts.Index} {gpu.Facts.Name}"))
            {
                say?.Invoke(message);
            }

            return new Opened(gpu, check);
        }
        catch
        {
            gpu.Dispose();
            throw;
        }
    }

    private sealed class Opened(VulkanContext gpu, SelfCheckResult check) : OpenedDevice, ICalibrationSource
    {
        public ICalibrationDevice CreateCalibration() => new VulkanCalibration(gpu, check);

        public override Executor CreateExecutor() => new VulkanExecutor(gpu, check, ownsContext: false, VulkanExecutor.PromptRows(gpu.Facts));

        public override long? FreeBytes => gpu.FreeBytes;

        public override void Dispose() => gpu.Dispose();
    }
}

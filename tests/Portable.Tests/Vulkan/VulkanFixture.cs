using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>
/// One opened device for all Vulkan tests, with the validation layer on where it is installed. Without a device the tests
/// skip and say so; with PORTABLE_REQUIRE_VULKAN=1 its absence is a failure.
/// </summary>
public sealed class VulkanFixture : IDisposable
{
    private readonly VulkanContext? _context;
    private readonly string? _reason;

    public VulkanFixture()
    {
        Environment.SetEnvironmentVariable(VulkanInstance.ValidationVariable, "1");
        try
        {
            _context = VulkanContext.Open(VulkanDevices.Select());
        }
        catch (VulkanException e) when (Environment.GetEnvironmentVariable("PORTABLE_REQUIRE_VULKAN") != "1")
        {
            _reason = e.Message;
        }
    }

    /// <summary>The device, or the test skips.</summary>
    internal VulkanContext Context
    {
        get
        {
            Skip.If(_context is null, _reason);
            return _context!;
        }
    }

    /// <summary>Fails when the validation layer has complained since the process started.</summary>
    public static void AssertNoValidationMessages() => Assert.True(VulkanInstance.ValidationMessages.Count == 0, string.Join("\n", VulkanInstance.ValidationMessages.Take(3)));

    public void Dispose() => _context?.Dispose();
}

/// <summary>Vulkan test classes share the device and run one after the other.</summary>
[CollectionDefinition("Vulkan")]
public sealed class VulkanCollection : ICollectionFixture<VulkanFixture>;

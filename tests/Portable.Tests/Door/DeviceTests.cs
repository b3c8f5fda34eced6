using Portable.Execution;

namespace Portable.Tests.Door;

public sealed class DeviceTests
{
    [Theory]
    [InlineData("cpu")]
    [InlineData("vulkan")]
    [InlineData("vulkan:0")]
    [InlineData("vulkan:llvmpipe")]
    public void ADeviceIsWhatItsNameSays(string name) => Assert.Equal(name, Device.Parse(name).Name);

    [Theory]
    [InlineData("")]
    [InlineData("CPU")]
    [InlineData("cpu:0")]
    [InlineData("vulkan:")]
    [InlineData("cuda")]
    public void OtherNamesAreRefused(string name) =>
        Assert.Contains($"'{name}'", Assert.Throws<FormatException>(() => Device.Parse(name)).Message, StringComparison.Ordinal);

    [Fact]
    public void AKindThatNoPackageServesNamesThePackageToAdd() =>
        Assert.Contains("Portable.Vulkan", Assert.Throws<DeviceException>(() => DeviceKinds.Find("metal")).Message, StringComparison.Ordinal);
}

using Portable.Vulkan;

namespace Portable.Tests.Vulkan.Contact;

/// <summary>A program that offers itself as the helper of a first check tells the helper's arguments from its own.</summary>
public sealed class HelperProgramTests
{
    [Theory]
    [InlineData]
    [InlineData("generate", "first-contact")]
    [InlineData("--first-contact", "0")]
    public void ItsOwnArgumentsAreItsOwn(params string[] arguments)
    {
        Assert.False(VulkanBackend.RunsHelper(arguments, out int code));
        Assert.Equal(0, code);
    }

    [Fact]
    public void TheHelperEndsTheProgram()
    {
        // Without an index there is nothing to check.
        Assert.True(VulkanBackend.RunsHelper(["first-contact"], out int code));
        Assert.Equal(2, code);
    }
}

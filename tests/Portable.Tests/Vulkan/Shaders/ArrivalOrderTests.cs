using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Portable.Vulkan.Engine;

namespace Portable.Tests.Vulkan.Shaders;

/// <summary>Handshakes of workgroups are right by the memory model alone, in the compiled shaders, and are written in one place.</summary>
public sealed partial class ArrivalOrderTests
{
    public static TheoryData<string> Names => [.. ShaderLibrary.Names];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void ArrivalsAreReleasedAndAcquired(string name)
    {
        Skip.If(ShaderSources.Folder is null, "the sources are not beside the tests");
        ArrivalOrder order = new(ShaderLibrary.Load(name));
        Assert.Empty(order.Faults);
        Assert.Equal(ShaderSources.WithIncludes(ShaderSources.PathOf(name)).Contains("bool arrivesLast(", StringComparison.Ordinal), order.Count > 0);
    }

    // What the test above is worth: every fence and barrier, taken out of its order alone, is missed.
    [Theory]
    [InlineData("dot")]
    [InlineData("prepare")]
    [InlineData("decode_digits")]
    [InlineData("decode_integer")]
    public void AnArrivalWithoutOneOfItsBarriersIsFound(string name)
    {
        byte[] code = ShaderLibrary.Load(name);
        int broken = 0;
        foreach (int at in Barriers(code))
        {
            // Instructions of one word that do nothing.
            uint[] changed = MemoryMarshal.Cast<byte, uint>(code).ToArray();
            changed.AsSpan(at, (int)(changed[at] >> 16)).Fill(1u << 16);
            broken += new ArrivalOrder(MemoryMarshal.AsBytes<uint>(changed).ToArray()).Faults.Count > 0 ? 1 : 0;
        }

        Assert.Equal(4 * new ArrivalOrder(code).Count, broken);
    }

    [SkippableFact]
    public void HandshakesAreWrittenInOnePlace()
    {
        Skip.If(ShaderSources.Folder is null, "the sources are not beside the tests");
        string[] others = [.. Directory.EnumerateFiles(ShaderSources.Folder!, "*", SearchOption.AllDirectories)
            .Where(f => Path.GetExtension(f) is ".comp" or ".glsl" && Path.GetFileName(f) != "handshake.glsl")
            .Where(f => Handmade().IsMatch(File.ReadAllText(f)))
            .Select(f => Path.GetFileName(f))];
        Assert.Empty(others);
    }

    [GeneratedRegex(@"memoryBarrier\w*\(|(=|return|\() *(uint\()?atomicAdd\(")]
    private static partial Regex Handmade();

    private static IEnumerable<int> Barriers(byte[] code) => SpirvModule.Instructions(code).Where(i => i.Code is 224 or 225).Select(i => i.At);
}

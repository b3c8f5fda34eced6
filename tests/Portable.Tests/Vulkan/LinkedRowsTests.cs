using Portable.Vulkan.Operations;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>Which rows of linked dispatches are left where they belong as well: those that something reads which barriers order.</summary>
[Collection("Vulkan")]
public sealed class LinkedRowsTests(VulkanFixture vulkan)
{
    private readonly VulkanActivation _x = new(96), _y = new(40);

    /// <summary>Left, left again, read by what barriers order, left a last time: of four rows the second and the last.</summary>
    [SkippableFact]
    public void ARowIsPlainWhereBarriersOrderItsReader()
    {
        using LinkedRows rows = new();
        bool[] plain = Twice(rows, () => [rows.Add(_x, 96).Plain, rows.Add(_x, 96).Plain, Pass(rows, [_x], []), rows.Add(_x, 96).Plain, rows.Add(_x, 96).Plain]);
        Assert.Equal([false, true, false, false, true], plain);
    }

    /// <summary>Each row has memory of its own, on 32 bytes; what is written behind a barrier has none.</summary>
    [SkippableFact]
    public void RowsDoNotOverlapAndEndWhereTheActivationIsWritten()
    {
        using LinkedRows rows = new();
        ulong first = 0, second = 0;
        Twice(rows, () =>
        {
            first = rows.Add(_x, 96).Address;
            second = rows.Add(_y, 40).Address;
            Assert.Equal((first, second), (rows.Find(_x), rows.Find(_y)));
            Pass(rows, [], [_x]);
            Assert.Null(rows.Find(_x));
            Assert.Equal(second, rows.Find(_y));
            return [];
        });
        Assert.Equal(first + (96 * sizeof(float)), second);
        Assert.Equal(0u, second % 32);
    }

    /// <summary>A row of an activation that shares its memory with those of other phases is not for the host, and none is left after the last linked one.</summary>
    [SkippableFact]
    public void ARowOfAPhaseIsNotLeftForTheHost()
    {
        using LinkedRows rows = new();
        VulkanActivation phased = new PhasedMemory([[64], [32]]).Activations[0][0];
        Assert.Equal([false, true], Twice(rows, () => [rows.Add(phased, 64).Plain, rows.Add(_y, 40).Plain]));
    }

    [Fact]
    public void APassWithoutLinkedDispatchesIsEmpty()
    {
        using LinkedRows rows = new();
        Pass(rows, [_x], [_y]);
        Assert.True(rows.IsEmpty);
        Assert.Null(rows.Find(_x));
    }

    private static bool Pass(LinkedRows rows, IDeviceMemory[] reads, IDeviceMemory[] writes)
    {
        rows.Pass(reads, writes);
        return false;
    }

    // What the second time says.
    private bool[] Twice(LinkedRows rows, Func<bool[]> pass)
    {
        pass();
        rows.Begin(vulkan.Context);
        return pass();
    }
}

using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Operations;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>A context that nobody asked for follows memory; one that somebody asked for and that does not fit is refused before it is taken.</summary>
public sealed class MemoryTests
{
    private const long Memory = 64 << 20;
    private const int Longest = 131_072;

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void WhereNobodyAsksTheContextFollowsMemoryAndThatIsSaid(int sequences)
    {
        using ModelCopy copy = new(c => c["max_position_embeddings"] = Longest);
        List<string> said = [];
        using LanguageModel model = Open(copy, new LanguageModelOptions { Sequences = sequences, Messages = said.Add });
        int context = model.Context;
        Assert.InRange(CpuMemory.CacheBytes(model.Model.Config, 32, sequences, context), Memory / 8, Memory / 4);
        Assert.Contains(said, line => line.Contains($"{context:N0} of the model's {Longest:N0}", StringComparison.Ordinal));
        Assert.Equal(2, model.Generate([1, 2, 3], new GenerationOptions { MaximumTokens = 2, IgnoreEnd = true }).Count());
    }

    [Fact]
    public void AModelThatFitsHasItsWholeContextAndNothingIsSaid()
    {
        List<string> said = [];
        using LanguageModel model = LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Messages = said.Add });
        Assert.Equal(1024, model.Context);
        Assert.Empty(said);
    }

    [Fact]
    public void ACacheThatIsSharedBoundsTheContextThatNobodyAsksFor()
    {
        using LanguageModel model = LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Sequences = 3, CacheTokens = 320 });
        Assert.Equal(320, model.Context);
    }

    [Theory]
    [InlineData(Longest, 1)]
    [InlineData(4096, 16)]
    [InlineData(1024, int.MaxValue)]
    public void WhatDoesNotFitIsRefusedBeforeAnythingIsTaken(int context, int sequences)
    {
        using ModelCopy copy = new(c => c["max_position_embeddings"] = Longest);
        long before = GC.GetAllocatedBytesForCurrentThread();
        DeviceMemoryException refused = Assert.Throws<DeviceMemoryException>(() => Open(copy, new LanguageModelOptions { Sequences = sequences, Context = context }));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        Assert.Equal((context, sequences, Memory), (refused.Context, refused.Sequences, refused.AvailableBytes));
        Assert.True(refused.NeededBytes > Memory);
        foreach (string part in (string[])[$"{context:N0} tokens", $"{sequences:N0} text", "GB", "Context, Sequences or CacheTokens"])
        {
            Assert.Contains(part, refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void MoreTextsThanAnyMachineHoldsAreRefusedThroughTheDoor() =>
        Assert.Equal(100_000_000, Assert.Throws<DeviceMemoryException>(() => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Sequences = 100_000_000 })).Sequences);

    /// <summary>What is asked for is what is allocated, with and without pages.</summary>
    [Theory]
    [InlineData(1, 300, 0)]
    [InlineData(3, 300, 0)]
    [InlineData(3, 300, 7)]
    public void BytesAreThoseOfTheCaches(int sequences, int context, int pages)
    {
        ModelConfig config = RandomModel.Llama();
        long expected = config.Blocks.Sum(b => KeyValueCache.BytesOf(sequences, b.Attention.KeyValueHeads, b.Attention.HeadSize, context, 16, pages));
        Assert.Equal(expected, CacheRoom.BytesOf(config, 16, sequences, context, pages));
    }

    [Theory]
    [InlineData(32, 128, 32)]
    [InlineData(32, 128, 16)]
    [InlineData(8, 128, 8)]
    [InlineData(1, 64, 2)]
    public void TheLongestCacheIsTheLastThatCanBeMade(int heads, int size, int bits)
    {
        int longest = KeyValueCache.LongestCapacity(heads, size, bits);
        long Elements(int positions) => (long)PageTable.ChunksOf(positions) * 64 * heads * size * (bits == 32 ? 4 : bits == 16 ? 2 : 1);
        Assert.InRange(Elements(longest), 1, int.MaxValue);
        Assert.True(longest is KeyValueCache.MaximumQuantizedCapacity or DigitCodes.MaximumCapacity || Elements(longest + 128) > Array.MaxLength - 1024);
    }

    private static LanguageModel Open(ModelCopy copy, LanguageModelOptions options) =>
        LanguageModel.Open(copy.Directory, Device.Cpu, options, (_, _) => options.Context, CancellationToken.None, memory: Memory);
}

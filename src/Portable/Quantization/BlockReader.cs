using Portable.Models;

namespace Portable.Quantization;

/// <summary>The float blocks of a model in order; the next one is read from its file while this one is at work.</summary>
/// <param name="source">The model.</param>
/// <param name="ahead">Whether blocks are read ahead.</param>
internal sealed class BlockReader(IModelSource source, bool ahead) : IDisposable
{
    private const int PageBytes = 4096;
    private (int Index, Task<BlockWeights> Block)? _next;

    /// <summary>A block.</summary>
    public BlockWeights Load(int index)
    {
        BlockWeights block = _next is { } next && next.Index == index ? next.Block.GetAwaiter().GetResult() : source.LoadBlock(index);
        _next = ahead && index + 1 < source.Config.Layers ? (index + 1, Task.Run(() => Read(source.LoadBlock(index + 1)))) : null;
        return block;
    }

    /// <summary>Waits for what is being read.</summary>
    public void Dispose() => _next?.Block.ContinueWith(_ => { }, TaskScheduler.Default).Wait();

    /// <summary>Files are mapped: what nobody has looked at has not been read.</summary>
    private static BlockWeights Read(BlockWeights block)
    {
        foreach (LinearWeights linear in block.Linears)
        {
            foreach ((_, FloatTable piece) in linear.Float?.Pieces ?? [])
            {
                ReadOnlySpan<byte> bytes = piece.Data.Span;
                int seen = 0;
                for (int i = 0; i < bytes.Length; i += PageBytes)
                {
                    seen |= bytes[i];
                }

                GC.KeepAlive(seen);
            }
        }

        return block;
    }
}

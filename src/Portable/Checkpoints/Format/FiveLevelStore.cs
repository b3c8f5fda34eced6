using Portable.Reference.BitPlanes;

namespace Portable.Checkpoints.Format;

/// <summary>
/// W2*: codes 0…4 in base 5, three in seven bits (<see cref="BaseFive"/>). In memory they stay so where kernels read them, else they are
/// three planes.
/// </summary>
internal sealed class FiveLevelStore : CodeStore
{
    public override string Name => "base5";

    public override long RowBytes(GroupLayout layout, CodeFormat format) => BaseFive.RowBytes(layout.Columns);

    protected override void PackRow(ReadOnlySpan<ulong> words, RowBlocks blocks, int bits, Span<byte> row) => BaseFive.Pack(words, blocks, row);

    protected override bool UnpackRow(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, int bits, Span<ulong> words) => BaseFive.Unpack(bytes, rowBytes, blocks, words);

    protected override bool IsBaseFive(GroupLayout layout) => BaseFiveRows.IsWorthwhile(layout);
}

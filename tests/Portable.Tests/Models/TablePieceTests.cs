using System.Buffers.Binary;
using System.Text;
using Portable.Checkpoints.Safetensors;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Tests.Support;
using Portable.Tests.Vulkan;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Models;

/// <summary>Tables that one block of memory cannot hold: 2 GiB of bytes, 2^31 elements.</summary>
[Collection("Vulkan")]
public sealed class TablePieceTests(VulkanFixture vulkan)
{
    public static TheoryData<bool, int> Models => new() { { false, 1 }, { false, 40 }, { false, 96 }, { true, 31 } };

    [Theory]
    [MemberData(nameof(Models))]
    public void PiecesGiveTheBitsOfTheWholeOnTheCpu(bool opt, int pieceRows) => AssertSameBits(opt, pieceRows, () => new CpuExecutor());

    [SkippableTheory]
    [MemberData(nameof(Models))]
    public void PiecesGiveTheBitsOfTheWholeOnADevice(bool opt, int pieceRows)
    {
        Portable.Vulkan.Engine.VulkanContext gpu = vulkan.Context;
        AssertSameBits(opt, pieceRows, () => new VulkanExecutor(gpu, SelfCheck.Of(gpu), false));
    }

    /// <summary>A sparse file: nothing of it is read but its header and its last bytes.</summary>
    [SkippableFact]
    public void ATensorOfMoreThanTwoGibibytesIsMappedInPieces()
    {
        Skip.If(!OperatingSystem.IsLinux(), "Files are not sparse everywhere.");
        const int Rows = 90_000_000, Columns = 16;
        string path = Path.GetTempFileName();
        try
        {
            const long Bytes = 2L * Rows * Columns;
            byte[] header = Encoding.ASCII.GetBytes($$"""{"t": {"dtype": "F16", "shape": [{{Rows}}, {{Columns}}], "data_offsets": [0, {{Bytes}}]} }""");
            using (FileStream stream = new(path, FileMode.Create))
            {
                Span<byte> length = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
                stream.Write(length);
                stream.Write(header);
                stream.SetLength(8 + header.Length + Bytes);
                stream.Seek(-2, SeekOrigin.End);
                stream.Write([1, 60]);
            }

            using SafetensorsFile file = SafetensorsFile.Open(path);
            TensorInfo tensor = file.Find("t");
            (int pieceRows, ReadOnlyMemory<byte>[] pieces) = file.MapRows(tensor);
            FloatTable table = new(Rows, Columns, ElementType.Float16, pieceRows, pieces);
            Assert.Equal(Bytes, table.Bytes);
            Assert.Equal(Rows, table.Pieces.Sum(p => p.Piece.Rows));
            Assert.All(table.Pieces, p => Assert.Equal(2L * p.Piece.Rows * Columns, p.Piece.Data.Length));
            (int first, FloatTable last) = table.PieceOf(Rows - 1);
            Assert.Equal(Rows - first, last.Rows);
            Assert.Equal([1, 60], last.Data.Span[^2..].ToArray());
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void AssertSameBits(bool opt, int pieceRows, Func<Executor> executor)
    {
        RandomModel source = RandomModel.RoundToNearest(opt ? RandomModel.Opt() : RandomModel.Llama(), "W4A8KV8", 11);
        using Transformer whole = new(source, executor()), cut = new(new CutModel(source, pieceRows), executor());
        foreach (Batch batch in new[] { Batch.Consecutive([96, 0, 39, 40, 41, 95, 1], 0, allLogits: true), Batch.Consecutive([50], 7, allLogits: false) })
        {
            Assert.Equal(whole.Forward(batch).ToArray(), cut.Forward(batch).ToArray());
        }
    }

    private sealed class CutModel(IModelSource model, int pieceRows) : WrappedModel(model)
    {
        public override TableWeights LoadEmbedding() => new(Cut(base.LoadEmbedding().Float)!);

        public override FloatTable? LoadPositions() => Cut(base.LoadPositions());

        public override TableWeights? LoadHead() => new(Cut(base.LoadHead()!.Float)!);

        private FloatTable? Cut(FloatTable? table)
        {
            int rowBytes = table is null ? 0 : (int)(table.Bytes / table.Rows);
            return table is null ? null : new FloatTable(table.Rows, table.Columns, table.Type, pieceRows, [.. Enumerable.Range(0, (table.Rows + pieceRows - 1) / pieceRows).Select(i =>
                table.Data.Slice(i * pieceRows * rowBytes, Math.Min(pieceRows, table.Rows - (i * pieceRows)) * rowBytes))]);
        }
    }
}

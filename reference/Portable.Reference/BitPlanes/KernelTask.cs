using System.Runtime.CompilerServices;

namespace Portable.Reference.BitPlanes;

/// <summary>A piece of a matmul: groups × activation rows × output channels, and where its sums go.</summary>
internal readonly unsafe struct KernelTask
{
    /// <summary>The activations before packing.</summary>
    public required ActivationRows Activations { get; init; }

    /// <summary>All activations in the kernel's packing.</summary>
    public required byte* Packed { get; init; }

    /// <summary>The weights.</summary>
    public required BitPlaneMatrix Weights { get; init; }

    /// <summary>The weights' words: those of the task's channels stand where a matrix of planes has them. Null for kernels that read base five.</summary>
    public required ulong* Words { get; init; }

    /// <summary>The weights' rows in base five, for kernels that read them.</summary>
    public byte* BaseFive { get; init; }

    /// <summary>First group.</summary>
    public required int FirstGroup { get; init; }

    /// <summary>Number of groups: 1 unless the kernel takes whole rows.</summary>
    public required int Groups { get; init; }

    /// <summary>First activation row, a multiple of the tile's rows.</summary>
    public required int FirstRow { get; init; }

    /// <summary>Number of activation rows.</summary>
    public required int Rows { get; init; }

    /// <summary>First output channel.</summary>
    public required int FirstChannel { get; init; }

    /// <summary>Number of output channels, at most the kernel's block.</summary>
    public required int Channels { get; init; }

    /// <summary>Sums: [((group − first) × rows + row − first) × <see cref="Stride"/> + channel − first]; a kernel may write whole tiles within the stride.</summary>
    public required int* Sums { get; init; }

    /// <summary>The kernel's channel block, or a part of it that is a multiple of its tile and of 4.</summary>
    public required int Stride { get; init; }

    /// <summary>The sums of one group and row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* SumsOf(int group, int row) => Sums + ((long)(group - FirstGroup) * Rows + (row - FirstRow)) * Stride;
}

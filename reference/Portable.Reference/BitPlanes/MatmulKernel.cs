namespace Portable.Reference.BitPlanes;

/// <summary>
/// One way to evaluate Σ_k x_k·w_k exactly: a row of the kernel table, dispatched, tested and benchmarked as such.
/// </summary>
/// <remarks>
/// A kernel may shift its operands into a range that its instructions like, x' = x − <see cref="ActivationOffset"/> and
/// w' = w − <see cref="WeightOffset"/>; it then returns Σ x'·w' over the padded columns of the group (padding is code 0
/// before the shift), modulo 2^32, and the caller corrects with the row sums that both operands carry (<see cref="OffsetCorrection"/>).
/// </remarks>
internal abstract unsafe class MatmulKernel
{
    /// <summary>The name that forces it, for example <c>avx2-bytes</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What the processor must have, for messages.</summary>
    public abstract string Requires { get; }

    /// <summary>Whether this process can run it.</summary>
    public abstract bool IsSupported { get; }

    /// <summary>Rows and channels computed together in registers.</summary>
    public abstract KernelTile Tile { get; }

    /// <summary>Output channels of one piece of work: a multiple of the tile's.</summary>
    public virtual int ChannelBlock => 64;

    /// <summary>Whether it reads weight rows from end to end, all groups in one call.</summary>
    public virtual bool TakesWholeRows => false;

    /// <summary>Whether it reads weights in base five, and no others.</summary>
    public virtual bool ReadsBaseFive => false;

    /// <summary>Whether its instructions hold these operands exactly.</summary>
    /// <param name="weights">Weight codes.</param>
    /// <param name="digit">Activation digits, 1…8 bits.</param>
    public virtual bool Serves(CodeFormat weights, CodeFormat digit) => true;

    /// <summary>Modelled time of one thread in nanoseconds; only the order of kernels matters.</summary>
    public abstract double Cost(MatmulShape shape);

    /// <summary>What it subtracts from activation digits.</summary>
    public virtual int ActivationOffset(CodeFormat digit) => 0;

    /// <summary>What it subtracts from weight codes.</summary>
    public virtual int WeightOffset(CodeFormat weights) => 0;

    /// <summary>Bytes of one row of packed activations.</summary>
    public abstract long PackedRowBytes(GroupLayout layout, CodeFormat digit);

    /// <summary>Packs the rows of one tile into the kernel's order.</summary>
    /// <param name="rows">The activations.</param>
    /// <param name="firstRow">First row of the tile, a multiple of the tile's rows.</param>
    /// <param name="packed">Room for the tile's rows × <see cref="PackedRowBytes"/>; rows past the last are not read later.</param>
    public abstract void Pack(in ActivationRows rows, int firstRow, byte* packed);

    /// <summary>Computes the sums of a piece of the output.</summary>
    public abstract void Accumulate(in KernelTask task);

    /// <summary>
    /// What turns Σ x'·w' into Σ x·w: wo·Σx + xo·Σw − P·xo·wo, with P the padded columns of the group.
    /// </summary>
    public static int OffsetCorrection(int activationOffset, int weightOffset, int activationSum, int weightSum, int paddedColumns) =>
        unchecked(weightOffset * activationSum + activationOffset * weightSum - paddedColumns * activationOffset * weightOffset);
}

/// <summary>The register tile of a kernel.</summary>
/// <param name="Rows">Activation rows (tokens × digits).</param>
/// <param name="Channels">Output channels.</param>
internal readonly record struct KernelTile(int Rows, int Channels);

using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Quantization;

namespace Portable.Calibration;

/// <summary>
/// Where calibration computes: float blocks forward, sums over their inputs, and the algebra over those sums. Methods are written once against
/// it. Every device gives the CPU's bits: f32 products are sequential in k and fused, sums over batches are f64, algebra is unfused f64.
/// </summary>
internal interface ICalibrationDevice
{
    /// <summary>Makes an executor for float or quantized blocks; the caller owns it.</summary>
    Executor CreateExecutor();

    /// <summary>Bytes of its memory that nothing of this process takes.</summary>
    long FreeBytes { get; }

    /// <summary>Memory of the host for hidden states, which this device's executors read and write by themselves where they can.</summary>
    /// <param name="count">Values.</param>
    StoredRows CreateRows(int count);

    /// <summary>Memory of the device for hidden states; null where it has not plenty of it, or none of its own.</summary>
    /// <param name="count">Values.</param>
    StoredRows? TryCreateDeviceRows(int count);

    /// <summary>Zeros for Σ x·xᵀ of inputs.</summary>
    /// <param name="size">K, columns of the inputs.</param>
    IGramSums CreateGram(int size);

    /// <summary>Zeros for Σ x² of the columns of inputs, token by token in f64.</summary>
    /// <param name="size">K.</param>
    IColumnSquares CreateSquares(int size);

    /// <summary>Zeros for Σ x·yᵀ of rows and inputs.</summary>
    /// <param name="rows">Columns of x.</param>
    /// <param name="columns">Columns of y.</param>
    ICrossSums CreateCross(int rows, int columns);

    /// <summary>Zeros for max|x| of the columns of inputs.</summary>
    /// <param name="size">K.</param>
    IColumnMaxima CreateMaxima(int size);

    /// <summary>Zeros for how often the columns of inputs take which magnitude.</summary>
    /// <param name="size">K.</param>
    IMagnitudeCounts CreateMagnitudes(int size);

    /// <summary>Rounds inputs as flattened layers see them.</summary>
    /// <param name="scale">sx.</param>
    /// <param name="limits">The largest code of each of the K columns.</param>
    /// <param name="factors">What each column is divided by before, or null.</param>
    IInputRounding CreateRounding(float scale, float[] limits, float[]? factors);

    /// <summary>Computes what FlattenQuant's search of ranges has to know of weights.</summary>
    IColumnErrors ColumnErrors { get; }

    /// <summary>Keeps an input's rows, as they are at this point of a pass, in an activation that can be read behind it.</summary>
    /// <param name="executor">One of this device, in the middle of a pass.</param>
    /// <param name="input">The input of float layers.</param>
    /// <param name="kept">An activation of as many columns.</param>
    void Keep(Executor executor, DeviceInput input, DeviceActivation kept);

    /// <summary>Names of the arithmetics that blocks can be trained in there, the fastest first; f32, the CPU's to the bit, is one of them.</summary>
    IReadOnlyList<string> TrainingArithmetics { get; }

    /// <summary>Block reconstruction there, which the caller owns; null where the managed CPU does it.</summary>
    /// <param name="arithmetic">One of <see cref="TrainingArithmetics"/>.</param>
    ITrainingDevice? CreateTraining(string arithmetic);

    /// <summary>Keeps rows, as they are at this point of a pass, in another activation.</summary>
    /// <param name="executor">One of this device, in the middle of a pass.</param>
    /// <param name="x">The rows.</param>
    /// <param name="kept">An activation of as many columns.</param>
    void Keep(Executor executor, DeviceActivation x, DeviceActivation kept);

    /// <summary>kept −= x, at this point of a pass.</summary>
    /// <param name="executor">One of this device, in the middle of a pass.</param>
    /// <param name="x">The rows.</param>
    /// <param name="kept">An activation of as many columns.</param>
    void Subtract(Executor executor, DeviceActivation x, DeviceActivation kept);

    /// <summary>Room for errors of so many rows; null where outputs are compared on the host.</summary>
    /// <param name="rows">The most rows.</param>
    /// <param name="factors">What each column of the approximate outputs is multiplied by in f64, or null.</param>
    IOutputErrors? CreateErrors(int rows, float[]? factors);

    /// <summary>Compares outputs of quantized layers with exact ones; null where they are compared on the host.</summary>
    /// <param name="rows">The most rows of a batch.</param>
    /// <param name="histograms">The bins.</param>
    /// <param name="factors">What each column of the approximate outputs is multiplied by before, or null.</param>
    IOutputComparison? CreateComparison(int rows, HistogramDivergence histograms, float[]? factors);

    /// <summary>Searches a grid for each group of a matrix and rounds every weight to it.</summary>
    /// <param name="linear">The float weights.</param>
    /// <param name="codes">Receives grids and codes.</param>
    /// <param name="importance">K values: mean square of each input channel, or a multiple; null = all alike.</param>
    /// <param name="search">Finds grids.</param>
    void Round(LinearWeights linear, WeightCodes codes, double[]? importance, GridKind search);
}

/// <summary>An opened device that can calibrate.</summary>
internal interface ICalibrationSource
{
    /// <summary>Calibration there; the device outlives it.</summary>
    ICalibrationDevice CreateCalibration();
}

/// <summary>What is summed over the inputs of float layers.</summary>
internal interface IInputSums : IDisposable
{
    /// <summary>Adds rows of an input, as they are at this point of a pass.</summary>
    /// <param name="executor">One of the sums' device, in the middle of a pass.</param>
    /// <param name="input">The input of float layers.</param>
    /// <param name="rows">Rows of the batch.</param>
    void Add(Executor executor, DeviceInput input, int rows);
}

/// <summary>max|x| of every column; NaN where a value was.</summary>
internal interface IColumnMaxima : IInputSums
{
    /// <summary>Adds rows of an activation, as they are at this point of a pass.</summary>
    void Add(Executor executor, DeviceActivation x, int rows);

    /// <summary>The maxima over the passes that have ended: K values.</summary>
    float[] Read();
}

/// <summary>How often every column takes which magnitude.</summary>
internal interface IMagnitudeCounts : IInputSums
{
    /// <summary>The counts over the passes that have ended.</summary>
    MagnitudeHistograms Read();
}

/// <summary>Rounding of inputs to a static scale, as <see cref="SeenInput"/> says.</summary>
internal interface IInputRounding : IDisposable
{
    /// <summary>Rounds the batch's rows, in the middle of a pass.</summary>
    /// <param name="executor">One of the same device.</param>
    /// <param name="x">Rows × K.</param>
    /// <param name="exact">Receives x divided by the factors.</param>
    /// <param name="seen">Receives what the layers see of that.</param>
    /// <param name="rows">Rows of the batch.</param>
    void Round(Executor executor, DeviceActivation x, DeviceActivation exact, DeviceActivation seen, int rows);

    /// <summary>How many values were beyond the largest code of their column, over the passes that have ended.</summary>
    long ReadClipped();
}

/// <summary>Σ x² of every column, in f64, one token after the other.</summary>
internal interface IColumnSquares : IInputSums
{
    /// <summary>The sums over the passes that have ended: K values.</summary>
    double[] Read();
}

/// <summary>Σ x·yᵀ over tokens, summed as <see cref="CrossMatrix"/> says.</summary>
internal interface ICrossSums : IDisposable
{
    /// <summary>Adds a batch.</summary>
    /// <param name="executor">One of the sums' device, in the middle of a pass.</param>
    /// <param name="x">Rows of x, as they are at this point.</param>
    /// <param name="y">The input of float layers.</param>
    /// <param name="rows">Rows of the batch.</param>
    void Add(Executor executor, DeviceActivation x, DeviceInput y, int rows);
}

/// <summary>Σ (ŷ·f − y)² and Σ y² of every row of two outputs, in f64.</summary>
internal interface IOutputErrors : IDisposable
{
    /// <summary>Compares rows, as they are at this point of a pass.</summary>
    /// <param name="executor">One of the same device, in the middle of a pass.</param>
    /// <param name="exact">y.</param>
    /// <param name="approximate">ŷ.</param>
    void Compare(Executor executor, DeviceActivation exact, DeviceActivation approximate);

    /// <summary>What the pass that has ended found: a pair a row.</summary>
    double[] Read(int rows);
}

/// <summary>Errors and histograms of outputs.</summary>
internal interface IOutputComparison : IOutputErrors
{
    /// <summary>Adds what was counted over the passes that have ended.</summary>
    void AddCounts(HistogramDivergence histograms);
}

/// <summary>Σ x·xᵀ over tokens (GPTQ's Hessian), summed as <see cref="GramMatrix"/> says.</summary>
internal interface IGramSums : IInputSums
{
    /// <summary>K.</summary>
    int Size { get; }

    /// <summary>Σ x² of every column.</summary>
    double[] Diagonal();

    /// <summary>Factorises the damped and permuted sums; they are as they were afterwards, and outlive the factor.</summary>
    /// <param name="order">Column of each position.</param>
    /// <param name="damping">Part of the mean diagonal that is added to the diagonal.</param>
    /// <exception cref="ArithmeticException">They are not positive definite.</exception>
    IColumnFactor Factorise(int[] order, double damping);
}

/// <summary>A factor of damped sums, with which columns are quantized one after the other.</summary>
internal interface IColumnFactor : IDisposable
{
    /// <summary>Quantizes a matrix as <see cref="Reference.Algorithms.Baselines.Gptq"/> or <see cref="Reference.Algorithms.Baselines.GroupedGptq"/> does.</summary>
    /// <param name="linear">The float weights.</param>
    /// <param name="codes">Receives codes, and grids where they are searched.</param>
    /// <param name="part">What else is compensated.</param>
    void Quantize(LinearWeights linear, WeightCodes codes, ColumnCompensation part);
}

/// <summary>What is compensated beside rounding.</summary>
internal sealed record ColumnCompensation
{
    /// <summary>Finds the grid of a group when its first column is reached; null = the grids of the codes.</summary>
    public GridKind? Search { get; init; }

    /// <summary>The grid of each column for all rows, in place of the grids of the codes; or null.</summary>
    public WeightGrid[]? Columns { get; init; }

    /// <summary>Treatment of ties, where grids are not searched.</summary>
    public Rounding Rounding { get; init; }

    /// <summary>Σ x·x̂ᵀ with the float model's inputs x, towards whose outputs weights are corrected; or null.</summary>
    public ICrossSums? Cross { get; init; }

    /// <summary>The part of that correction, 0 … 1; the same for all layers that share the sums.</summary>
    public double Target { get; init; } = 1;

    /// <summary>Σ (r − r̂)·x̂ᵀ with what the residual stream lacks, or null.</summary>
    public ICrossSums? Missing { get; init; }

    /// <summary>The part of it that is made good, 0 … 1.</summary>
    public double Share { get; init; }

    /// <summary>Turns of descent behind it.</summary>
    public int Descent { get; init; }

    /// <summary>What scales are rounded to in a descent.</summary>
    public ScaleFormat Scales { get; init; }
}

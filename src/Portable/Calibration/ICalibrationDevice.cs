using Portable.Execution;
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

    /// <summary>Zeros for Σ x·xᵀ of inputs.</summary>
    /// <param name="size">K, columns of the inputs.</param>
    IGramSums CreateGram(int size);

    /// <summary>Zeros for max|x| of the columns of inputs.</summary>
    /// <param name="size">K.</param>
    IColumnMaxima CreateMaxima(int size);

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
    /// <summary>The maxima over the passes that have ended: K values.</summary>
    float[] Read();
}

/// <summary>Σ x·xᵀ over tokens (GPTQ's Hessian), summed as <see cref="GramMatrix"/> says.</summary>
internal interface IGramSums : IInputSums
{
    /// <summary>K.</summary>
    int Size { get; }

    /// <summary>Σ x² of every column.</summary>
    double[] Diagonal();

    /// <summary>Factorises the damped and permuted sums; they are as they were afterwards.</summary>
    /// <param name="order">Column of each position.</param>
    /// <param name="damping">Part of the mean diagonal that is added to the diagonal.</param>
    /// <exception cref="ArithmeticException">They are not positive definite.</exception>
    IColumnFactor Factorise(int[] order, double damping);
}

/// <summary>A factor of damped sums, with which columns are quantized one after the other.</summary>
internal interface IColumnFactor : IDisposable
{
    /// <summary>Quantizes a matrix as <see cref="Reference.Algorithms.Baselines.Gptq"/> does.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rows">N.</param>
    /// <param name="grid">Grid of the weight at (row, column).</param>
    /// <param name="codes">Receives N×K codes.</param>
    /// <param name="rounding">Treatment of ties.</param>
    void Quantize(float[] weights, int rows, Func<int, int, WeightGrid> grid, short[] codes, Rounding rounding);
}

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>Error tables of all columns of a matrix. Sums are f64, unfused, one row after the other.</summary>
internal interface IColumnErrors
{
    /// <summary>Computes them.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="energies">Raised by Σ_n weight_n·w_nj² of each column; K values.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>K tables.</returns>
    ErrorTable[] Tabulate(ColumnsToTabulate matrix, double[] energies, CancellationToken cancellation);
}

/// <summary>A matrix whose columns are to be tabulated: the error of w_nj weighs weight_n·energy_j·share.</summary>
/// <param name="Weights">N×K, row-major.</param>
/// <param name="RowWeights">weight_n, N values.</param>
/// <param name="InputEnergies">energy_j, K values.</param>
/// <param name="Share">What share of an error is left to count.</param>
/// <param name="Q">Largest code of one part.</param>
/// <param name="MaximumParts">The most parts.</param>
internal sealed record ColumnsToTabulate(float[] Weights, double[] RowWeights, double[] InputEnergies, double Share, int Q, int MaximumParts)
{
    /// <summary>K.</summary>
    public int Columns => InputEnergies.Length;

    /// <summary>N.</summary>
    public int Rows => RowWeights.Length;
}

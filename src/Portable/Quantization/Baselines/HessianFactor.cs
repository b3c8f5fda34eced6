using Portable.Models;
using Portable.Reference.Algorithms.Baselines;

namespace Portable.Quantization.Baselines;

/// <summary>Factors of damped Hessians, with errors that name the layers.</summary>
internal static class HessianFactor
{
    /// <summary>Factors a Hessian, with an error that names the layers.</summary>
    /// <param name="readers">The linears.</param>
    /// <param name="sums">What is finite where the Hessian is: it, or its diagonal.</param>
    /// <param name="factorise">Factors it.</param>
    /// <exception cref="ArithmeticException">It is not positive definite.</exception>
    public static T Of<T>(IReadOnlyList<LinearWeights> readers, double[] sums, Func<T> factorise)
    {
        try
        {
            return factorise();
        }
        catch (ArithmeticException e)
        {
            string cause = sums.All(double.IsFinite) ? "its calibration inputs are zero or too alike: calibrate on more text, or raise damping" : "its calibration inputs are not finite";
            throw new ArithmeticException($"{string.Join(", ", readers.Select(l => l.Name))}: {cause} ({e.Message})", e);
        }
    }
}

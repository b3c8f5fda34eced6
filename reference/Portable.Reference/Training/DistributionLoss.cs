using System.Numerics.Tensors;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>Losses of block reconstruction with their gradients: mean squared error and the logarithm of the mean cosine, of outputs against a teacher.</summary>
/// <remarks>
/// ABQ-LLM's distribution-correcting loss: MSE(y, target) over all elements, and −ln|mean over tokens of cos(y_t, target_t)|
/// with the cosine over the hidden axis. Tokens are reduced in order, in double.
/// </remarks>
internal static class DistributionLoss
{
    /// <summary>weightMse·MSE − weightCosine·ln|cos|; its gradient is added to <paramref name="dy"/>.</summary>
    /// <param name="y">Student, [token × columns].</param>
    /// <param name="target">Teacher, like <paramref name="y"/>.</param>
    /// <param name="dy">∂loss/∂y is added here.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="columns">Width.</param>
    /// <param name="weightMse">Factor of the MSE.</param>
    /// <param name="weightCosine">Factor of the cosine term; 0 leaves it out.</param>
    public static double Add(float[] y, float[] target, float[] dy, int tokens, int columns, float weightMse, float weightCosine)
    {
        float[] squares = new float[tokens], cosines = new float[tokens], lengthsY = new float[tokens], lengthsT = new float[tokens];
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> student = y.AsSpan(t * columns, columns), teacher = target.AsSpan(t * columns, columns);
            Span<float> difference = stackalloc float[columns];
            TensorPrimitives.Subtract(student, teacher, difference);
            squares[t] = RowMath.Dot(difference, difference);
            lengthsY[t] = MathF.Sqrt(RowMath.Dot(student, student)) + 1e-8f;
            lengthsT[t] = MathF.Sqrt(RowMath.Dot(teacher, teacher)) + 1e-8f;
            cosines[t] = RowMath.Dot(student, teacher) / (lengthsY[t] * lengthsT[t]);
        });

        double square = 0, cosine = 0;
        for (int t = 0; t < tokens; t++)
        {
            square += squares[t];
            cosine += cosines[t];
        }

        cosine /= tokens;
        float toSquare = (float)(2.0 * weightMse / ((double)tokens * columns));
        float toCosine = weightCosine == 0 ? 0 : (float)(-weightCosine / (cosine * tokens));
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> student = y.AsSpan(t * columns, columns), teacher = target.AsSpan(t * columns, columns);
            Span<float> gradient = dy.AsSpan(t * columns, columns);
            float toTeacher = toCosine / (lengthsY[t] * lengthsT[t]), toStudent = toCosine * cosines[t] / (lengthsY[t] * lengthsY[t]);
            float alongStudent = toSquare - toStudent, alongTeacher = toTeacher - toSquare;
            for (int k = 0; k < columns; k++)
            {
                gradient[k] += alongStudent * student[k] + alongTeacher * teacher[k];
            }
        });

        double loss = weightMse * square / ((double)tokens * columns);
        return weightCosine == 0 ? loss : loss - weightCosine * ReproducibleMath.Log(Math.Max(Math.Abs(cosine), 1e-12));
    }
}

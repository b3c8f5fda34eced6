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
    /// <summary>What is summed of each token.</summary>
    public const int Sums = 4;

    private const int Factors = 2;

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
        float[] sums = new float[tokens * Sums], factors = new float[tokens * Factors];
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> student = y.AsSpan(t * columns, columns), teacher = target.AsSpan(t * columns, columns);
            Span<float> difference = stackalloc float[columns], sum = sums.AsSpan(t * Sums, Sums);
            TensorPrimitives.Subtract(student, teacher, difference);
            sum[0] = RowMath.Dot(difference, difference);
            sum[1] = RowMath.Dot(student, student);
            sum[2] = RowMath.Dot(teacher, teacher);
            sum[3] = RowMath.Dot(student, teacher);
        });
        double loss = Weigh(sums, factors, 0, Factors, columns, weightMse, weightCosine);
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> student = y.AsSpan(t * columns, columns), teacher = target.AsSpan(t * columns, columns);
            Span<float> gradient = dy.AsSpan(t * columns, columns);
            float alongStudent = factors[t * Factors], alongTeacher = factors[t * Factors + 1];
            for (int k = 0; k < columns; k++)
            {
                gradient[k] += alongStudent * student[k] + alongTeacher * teacher[k];
            }
        });
        return loss;
    }

    /// <summary>The loss from what is summed of each token, and what makes its gradient of student and teacher.</summary>
    /// <param name="sums">[token × <see cref="Sums"/>]: Σ (y − t)², Σ y², Σ t², Σ y·t.</param>
    /// <param name="factors">Receives, at token · stride + first, what the student's values are multiplied by, then the teacher's.</param>
    /// <param name="first">Where a token's factors begin.</param>
    /// <param name="stride">Values from a token's factors to the next one's.</param>
    /// <param name="columns">Width.</param>
    /// <param name="weightMse">Factor of the MSE.</param>
    /// <param name="weightCosine">Factor of the cosine term; 0 leaves it out.</param>
    public static double Weigh(ReadOnlySpan<float> sums, Span<float> factors, int first, int stride, int columns, float weightMse, float weightCosine)
    {
        int tokens = sums.Length / Sums;
        float[] cosines = new float[tokens], lengthsY = new float[tokens], lengthsT = new float[tokens];
        double square = 0, cosine = 0;
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<float> sum = sums.Slice(t * Sums, Sums);
            lengthsY[t] = MathF.Sqrt(sum[1]) + 1e-8f;
            lengthsT[t] = MathF.Sqrt(sum[2]) + 1e-8f;
            cosines[t] = sum[3] / (lengthsY[t] * lengthsT[t]);
            square += sum[0];
            cosine += cosines[t];
        }

        cosine /= tokens;
        float toSquare = (float)(2.0 * weightMse / ((double)tokens * columns));
        float toCosine = weightCosine == 0 ? 0 : (float)(-weightCosine / (cosine * tokens));
        for (int t = 0; t < tokens; t++)
        {
            float toTeacher = toCosine / (lengthsY[t] * lengthsT[t]), toStudent = toCosine * cosines[t] / (lengthsY[t] * lengthsY[t]);
            factors[t * stride + first] = toSquare - toStudent;
            factors[t * stride + first + 1] = toTeacher - toSquare;
        }

        double loss = weightMse * square / ((double)tokens * columns);
        return weightCosine == 0 ? loss : loss - weightCosine * ReproducibleMath.Log(Math.Max(Math.Abs(cosine), 1e-12));
    }
}

using System.Diagnostics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>What a calibration sequence is at one block.</summary>
internal enum SamplePart
{
    /// <summary>The quantized stream in front of it, [token × hidden].</summary>
    Input,

    /// <summary>The float block on the float stream, likewise.</summary>
    FloatTarget,

    /// <summary>The float block on the quantized stream, likewise.</summary>
    QuantizedTarget,

    /// <summary>Attention of the float block on the float stream, averaged over heads: the lower triangle, row after row.</summary>
    Attention,
}

/// <summary>Reads a part of a sample; the same values every time.</summary>
/// <param name="index">Index of the sample.</param>
/// <param name="part">Which part.</param>
/// <param name="values">Receives all of it.</param>
internal delegate void SampleReader(int index, SamplePart part, Span<float> values);

/// <summary>Live state of a block's training.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">Mean loss of the pass so far.</param>
/// <param name="Elapsed">Time taken so far.</param>
/// <param name="Remaining">Estimate of the time left in this block.</param>
internal sealed record TrainingProgress(int Step, int Steps, double Loss, TimeSpan Elapsed, TimeSpan Remaining);

/// <summary>What a block's training did.</summary>
/// <param name="LossBefore">Mean loss before the first step.</param>
/// <param name="LossAfter">Mean loss over the same sequences after the last.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Elapsed">Time taken.</param>
internal sealed record TrainingReport(double LossBefore, double LossAfter, int Steps, TimeSpan Elapsed);

/// <summary>A loss that is not a number: training cannot go on.</summary>
public sealed class NonFiniteLossException(string message) : ArithmeticException(message);

/// <summary>
/// Reconstructs one block: trains smoothing, clipping and compensation through the quantizers, then folds (ABQ-LLM; OmniQuant
/// by options). The same options, weights and samples give the same bits, whatever the machine and thread count.
/// </summary>
/// <param name="student">The block in training.</param>
/// <param name="options">Parts and rates.</param>
/// <param name="name">The block's name in messages.</param>
internal sealed class BlockTrainer(IBlockStudent student, AbqOptions options, string name)
{
    private const int ReportSamples = 8;
    private const int StepsPerProgress = 8;
    private readonly AbqOptions _options = options;

    /// <summary>Trains.</summary>
    /// <param name="samples">Number of calibration sequences.</param>
    /// <param name="read">Reads samples; may be called from another thread, once at a time.</param>
    /// <param name="progress">Live state, or null.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="NonFiniteLossException">The loss is not finite; the message names the block and the step.</exception>
    public TrainingReport Train(int samples, SampleReader read, IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int steps = _options.Epochs * samples, step = 0;
        double before = Evaluate(samples, read, "before training"), best = double.MaxValue;
        Random random = new(_options.Seed);
        int[] order = [.. Enumerable.Range(0, samples)];
        int stale = 0;
        for (int epoch = 0; epoch < _options.Epochs; epoch++)
        {
            if (_options.Shuffle)
            {
                random.Shuffle(order);
            }

            double sum = 0;
            for (int i = 0; i < samples; i++, step++)
            {
                cancellation.ThrowIfCancellationRequested();
                sum += Step(order[i], i + 1 < samples ? order[i + 1] : null, read, _options.CosineSchedule ? (float)Schedule(step, steps) : 1, step);
                if (step % StepsPerProgress == 0)
                {
                    progress?.Report(new TrainingProgress(step + 1, steps, sum / (i + 1), watch.Elapsed, watch.Elapsed * ((double)(steps - step - 1) / (step + 1))));
                }
            }

            stale = sum / samples < best * 0.999 ? 0 : stale + 1;
            best = Math.Min(best, sum / samples);
            if (_options.Patience != 0 && stale >= _options.Patience)
            {
                break;
            }
        }

        return new TrainingReport(before, Evaluate(samples, read, "after training"), step, watch.Elapsed);
    }

    private double Step(int sample, int? next, SampleReader read, float factor, int step)
    {
        student.Materialize();
        double loss = Finite(student.Loss(sample, next, read), $"of step {step + 1}");
        student.Update(factor);
        return loss;
    }

    private double Finite(double loss, string when) => double.IsFinite(loss)
        ? loss
        : throw new NonFiniteLossException($"{name}: the loss {when} is not finite; lower the learning rates, or use more bits.");

    private double Evaluate(int samples, SampleReader read, string when)
    {
        student.Materialize();
        double sum = 0;
        int count = Math.Min(samples, ReportSamples);
        for (int i = 0; i < count; i++)
        {
            sum += student.Loss(i, i + 1 < count ? i + 1 : null, read);
        }

        return Finite(sum / count, when);
    }

    // Half a cosine from 1 to 0, by the house's cosine: the same on every machine.
    private static double Schedule(int step, int steps) => 0.5 * (1 + ReproducibleMath.SineCosine(Math.PI * step / steps).Cosine);
}

using Portable.Vulkan.Matmul.Selection;

namespace Portable.Vulkan.Operations;

/// <summary>How long operations run on a device, as far as first times tell, and how much of that makes a submission.</summary>
/// <param name="dispatcher">Knows the device's pace.</param>
/// <param name="watchdog">Tells how long a submission may run; infinite: all of a pass is one.</param>
internal sealed class WorkEstimate(MatmulDispatcher dispatcher, Func<TimeSpan> watchdog)
{
    // A part may take four times as long as expected.
    private const int Reserve = 4;

    // The units of technique estimates: bytes and multiply-adds a nanosecond of the GPU that they were made for.
    private const double BytesPerNanosecond = 2000, MultiplyAddsPerNanosecond = 15000, Dispatch = 2000;

    /// <summary>How much longer work has been seen to take than was expected.</summary>
    public double Correction { get; private set; } = 1;

    /// <summary>Nanoseconds of a submission at most.</summary>
    public double PartNanoseconds => watchdog() is var limit && limit == Timeout.InfiniteTimeSpan ? double.PositiveInfinity : limit.TotalNanoseconds / Reserve;

    /// <summary>Nanoseconds of an operation on the largest batch and the longest context of a plan.</summary>
    public double Nanoseconds(IOperation operation, PlanKey key)
    {
        OperationWork work = operation.Work(key);
        double other = Math.Max(work.Bytes / BytesPerNanosecond, work.MultiplyAdds / MultiplyAddsPerNanosecond) + Dispatch;
        return Correction * (work.Matmuls.Sum(dispatcher.Nanoseconds) + dispatcher.Check.Nanoseconds(other, key.Rows));
    }

    /// <summary>Takes note of a submission that took longer than expected.</summary>
    /// <param name="expected">Nanoseconds.</param>
    /// <param name="measured">Nanoseconds.</param>
    /// <returns>Whether passes should be cut anew.</returns>
    public bool Learn(double expected, double measured)
    {
        // What is well inside of the watchdog is left alone: short submissions are mostly waiting.
        if (measured < 2 * PartNanoseconds)
        {
            return false;
        }

        Correction *= Math.Clamp(measured / Math.Max(expected, 1), 2, 1000);
        return true;
    }
}

using System.Diagnostics;
using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Operations;

namespace Portable.Vulkan.Model;

/// <summary>Runs recorded passes, waits for them, and learns how long their submissions take.</summary>
internal sealed class PlanRunner(VulkanContext gpu, WorkEstimate estimate)
{
    private TimeSpan[] _waits = [];

    /// <summary>Submissions so far.</summary>
    public long Submissions { get; private set; }

    /// <summary>Time that the last pass was waited for.</summary>
    public TimeSpan DeviceWait { get; private set; }

    /// <summary>Microseconds of each submission of the last pass by the device's own timestamps, where these are taken.</summary>
    public IReadOnlyList<double> SubmissionMicroseconds { get; private set; } = [];

    /// <summary>Whether what was learned since the plans were recorded would cut them otherwise.</summary>
    public bool OutdatesPlans { get; set; }

    /// <summary>Runs a plan and waits for it.</summary>
    /// <returns>Whether every submission ended well before the system's watchdog may have meddled.</returns>
    public bool Run(Plan plan, HostTransfers transfers)
    {
        transfers.Upload(gpu);
        plan.Rows?.Forget();
        plan.Timestamps?.Reset();
        plan.PartTimes?.Reset();
        using CommandList? loads = transfers.Loads(gpu);
        using CommandList? leaves = transfers.Leaves(gpu);
        ulong ticket = 0;
        if (loads is not null)
        {
            ticket = gpu.Submit(loads);
        }

        for (int i = 0; i < plan.Parts.Count; i++)
        {
            ticket = gpu.Submit(plan.Parts[i].Commands, ticket);
        }

        if (leaves is not null)
        {
            gpu.Submit(leaves, ticket);
        }

        long begun = Stopwatch.GetTimestamp(), ended = Wait(plan, begun);
        gpu.Wait(leaves?.LastTicket ?? 0);
        bool measured = ReadPartTimes(plan), healthy = Learn(plan) && measured;
        DeviceWait = plan.Took = Stopwatch.GetElapsedTime(begun, ended);
        Submissions += plan.Parts.Count;
        return healthy;
    }

    /// <summary>Each operation of a pass that was just run, with its microseconds and the bytes that it cannot do without.</summary>
    public static (string Operation, double Microseconds, long Bytes)[] ReadProfile(TimestampPool timestamps, Plan plan, Batch batch)
    {
        // Fused operations leave the last timestamps of the pool unwritten; waiting for those would never end.
        double[] times = timestamps.ReadNanoseconds(plan.Steps.Count);
        var profile = new (string, double, long)[plan.Steps.Count - 1];
        for (int i = 0; i < profile.Length; i++)
        {
            PlanStep step = plan.Steps[i + 1];
            long bytes = 0;
            foreach (IOperation operation in plan.Operations[step.Operations])
            {
                bytes += operation.Bytes(batch);
            }

            profile[i] = (step.Name, (times[i + 1] - times[i]) / 1000, bytes);
        }

        return profile;
    }

    // Tells when the last submission has ended.
    private long Wait(Plan plan, long begun)
    {
        if (_waits.Length < plan.Parts.Count)
        {
            _waits = new TimeSpan[plan.Parts.Count];
        }

        long start = begun;
        for (int i = 0; i < plan.Parts.Count; i++)
        {
            // All run by now: the waits only tell when each has ended.
            gpu.Watch(plan.Parts[i].Commands.LastTicket, plan.Parts.Count == 1 ? plan.Took : TimeSpan.Zero);
            long now = Stopwatch.GetTimestamp();
            _waits[i] = Stopwatch.GetElapsedTime(start, now) + (gpu.Faults?.NextWait() ?? TimeSpan.Zero);
            start = now;
        }

        return start;
    }

    // Whether every submission kept away from the watchdog.
    private bool Learn(Plan plan)
    {
        bool healthy = true;
        for (int i = 0; i < plan.Parts.Count && gpu.Watchdog != Timeout.InfiniteTimeSpan; i++)
        {
            // The host may see one end late and the next in time: the device's own clock has a word too.
            double took = Math.Max(_waits[i].TotalNanoseconds, i < SubmissionMicroseconds.Count ? 1000 * SubmissionMicroseconds[i] : 0);
            healthy &= took < gpu.Watchdog.TotalNanoseconds;
            OutdatesPlans |= estimate.Learn(plan.Parts[i].Nanoseconds, took);
        }

        return healthy;
    }

    /// <summary>Reads how long the submissions took, where that is measured.</summary>
    /// <returns>Whether every one of them wrote its times: not where a reset cut it short.</returns>
    private bool ReadPartTimes(Plan plan)
    {
        SubmissionMicroseconds = [];
        if (plan.PartTimes is null || gpu.Faults?.RunsNothing == true)
        {
            return true;
        }

        double[]? stamps = plan.PartTimes.TryReadNanoseconds(2 * plan.Parts.Count);
        double[] times = new double[stamps is null ? 0 : plan.Parts.Count];
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = (stamps![(2 * i) + 1] - stamps[2 * i]) / 1000;
        }

        SubmissionMicroseconds = times;
        return stamps is not null;
    }
}

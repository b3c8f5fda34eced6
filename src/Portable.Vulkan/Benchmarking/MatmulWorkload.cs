using System.Diagnostics;
using Portable.Reference.BitPlanes;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Benchmarking;

/// <summary>
/// One shape and scheme on the device, ready to be timed with any kernel: cold weights, activations whose rows repeat, and the
/// outputs of the definition to check against.
/// </summary>
internal sealed class MatmulWorkload : IDisposable
{
    private const int Period = ColdWeights.ActivationRows;
    private static long s_lastRun;
    private readonly VulkanContext _gpu;
    private readonly ColdWeights _weights;
    private readonly GpuActivations _x;
    private readonly GpuBuffer _y;
    private readonly float[] _expected;

    /// <summary>Makes a workload.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="weights">Weights and activations to repeat; not disposed of.</param>
    /// <param name="m">Tokens.</param>
    public MatmulWorkload(VulkanContext gpu, ColdWeights weights, int m)
    {
        (_gpu, _weights) = (gpu, weights);
        GpuLinear first = weights.Copies[0];
        int n = first.Rows;
        _x = GpuActivations.Upload(gpu, Repeat(weights.Activations, m));
        _y = gpu.Allocate(4L * m * n);
        Problem = first.Problem(m);

        // The first rows by the definition; row r of any kernel must equal row r mod Period.
        MatmulProblem few = first.Problem(Math.Min(m, Period));
        MatmulPlan definition = MatmulTechniques.Named("naive").Candidates(gpu.Facts, few).First();
        gpu.Run(r => definition.Record(gpu, r, first, few, _x.Addresses, _y.Address, n));
        _expected = new float[few.M * n];
        gpu.Download<float>(_y, _expected);
    }

    /// <summary>The problem.</summary>
    public MatmulProblem Problem { get; }

    /// <summary>Results that differ from the definition's, over the first and last rows.</summary>
    public int Mismatches(MatmulPlan kernel)
    {
        _gpu.Run(r => r.Fill(_y, 0, _y.Size, 0x7fc00000));
        _gpu.Run(r => kernel.Record(_gpu, r, _weights.Copies[0], Problem, _x.Addresses, _y.Address, Problem.N));
        int rows = Math.Min(Problem.M, Period), wrong = 0;
        float[] got = new float[rows * Problem.N];
        foreach (int start in new[] { 0, (Problem.M - rows) / Period * Period }.Distinct())
        {
            _gpu.Download<float>(_y, got, 4L * start * Problem.N);
            for (int i = 0; i < got.Length; i++)
            {
                wrong += BitConverter.SingleToInt32Bits(got[i]) == BitConverter.SingleToInt32Bits(_expected[i]) ? 0 : 1;
            }
        }

        return wrong;
    }

    /// <summary>Nanoseconds of one matmul: the best of some runs, each of many dispatches with a barrier between.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="budgetSeconds">About how long to measure.</param>
    public double Nanoseconds(MatmulPlan kernel, double budgetSeconds = 0.02) =>
        Nanoseconds((r, i) => Record(r, kernel, i, _x.Addresses), budgetSeconds);

    /// <summary>The same, but no more than a first look at a kernel that is far behind the best one so far.</summary>
    /// <param name="best">Nanoseconds of the best so far.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="budgetSeconds">About how long to measure it if it is not.</param>
    public double NanosecondsAgainst(double best, MatmulPlan kernel, double budgetSeconds = 0.02)
    {
        double time = Nanoseconds(kernel, 0.003);
        return time < best * 1.1 ? Nanoseconds(kernel, budgetSeconds) : time;
    }

    /// <summary>Nanoseconds of quantizing and packing the activations on the device, and of a matmul with that before it.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="budgetSeconds">About how long to measure each.</param>
    public (double Quantize, double Total) WithQuantizing(MatmulPlan kernel, double budgetSeconds = 0.02)
    {
        using var quantize = new QuantizeWorkload(_gpu, Problem.M, Problem.Layout, _weights.Input);
        double alone = Nanoseconds((r, _) => quantize.Record(r), budgetSeconds);
        return (alone, Nanoseconds(
            (r, i) =>
            {
                quantize.Record(r);
                Record(r.Barrier(), kernel, i, quantize.Codes);
            },
            budgetSeconds));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _x.Dispose();
        _y.Dispose();
    }

    private static QuantizedActivations Repeat(QuantizedActivations rows, int m)
    {
        if (m == rows.Rows)
        {
            return rows;
        }

        var all = new QuantizedActivations(m, rows.Layout, rows.Format, rows.Layout.GroupSizeOf(rows.ScaleGroups)) { Rows = m };
        (Array From, Array To)[] parts =
        [
            (rows.Codes, all.Codes), (rows.RowSums, all.RowSums), (rows.Scales, all.Scales), (rows.ZeroPoints, all.ZeroPoints),
            .. rows.HighDigits is null ? [] : new (Array, Array)[] { (rows.HighDigits, all.HighDigits!), (rows.HighRowSums!, all.HighRowSums!) },
        ];
        foreach ((Array from, Array to) in parts)
        {
            int row = from.Length / rows.Rows;
            for (int r = 0; r < m; r++)
            {
                Array.Copy(from, r % rows.Rows * row, to, r * row, row);
            }
        }

        return all;
    }

    private void Record(CommandRecorder recorder, MatmulPlan kernel, int turn, ActivationAddresses x) =>
        kernel.Record(_gpu, recorder, _weights.Copies[turn % _weights.Copies.Count], Problem, x, _y.Address, Problem.N);

    private double Nanoseconds(Action<CommandRecorder, int> step, double budgetSeconds)
    {
        double once = WarmUp(step);
        int repeats = (int)Math.Clamp(budgetSeconds * 1e9 / once / 3, Math.Min(_weights.Copies.Count, 4), 400);
        return Time(step, repeats, 3);
    }

    // An idle GPU runs at a fraction of its clock (an NVIDIA H100 at 345 of 1,980 MHz) and raises it in steps over tens to
    // hundreds of milliseconds, so it is kept busy until it gets no faster; between kernels timed one after another it stays up.
    private double WarmUp(Action<CommandRecorder, int> step)
    {
        const double Steady = 250, Longest = 1000, Idle = 50, Run = 5e6;
        bool busy = s_lastRun != 0 && Stopwatch.GetElapsedTime(s_lastRun).TotalMilliseconds < Idle;
        double once = Time(step, 2, 1);
        if (!busy && _gpu.Facts.Kind != VulkanDeviceKind.Cpu)
        {
            long start = Stopwatch.GetTimestamp(), best = start;
            while (Stopwatch.GetElapsedTime(best).TotalMilliseconds < Steady && Stopwatch.GetElapsedTime(start).TotalMilliseconds < Longest)
            {
                double time = Time(step, (int)Math.Clamp(Run / once, 1, 1000), 1);
                best = time < 0.99 * once ? Stopwatch.GetTimestamp() : best;
                once = Math.Min(once, time);
            }
        }

        return once;
    }

    private double Time(Action<CommandRecorder, int> step, int repeats, int runs)
    {
        using TimestampPool time = _gpu.CreateTimestamps(2);
        CommandRecorder recorder = _gpu.Record().Timestamp(time, 0);
        for (int i = 0; i < repeats; i++)
        {
            step(recorder, i);
            recorder.Barrier();
        }

        using CommandList list = recorder.Timestamp(time, 1).End();
        double best = double.MaxValue;
        for (int run = 0; run < runs; run++)
        {
            time.Reset();
            _gpu.Wait(_gpu.Submit(list));
            best = Math.Min(best, time.ReadNanoseconds()[1] / repeats);
        }

        s_lastRun = Stopwatch.GetTimestamp();
        return best;
    }
}

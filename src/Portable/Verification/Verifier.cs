using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Reference.Threading;

namespace Portable.Verification;

/// <summary>Runs the fixed list of cases on every target: each kernel against the definition, each target's own hash.</summary>
internal static class Verifier
{
    private const int Batch = 256;

    /// <summary>Runs cases.</summary>
    /// <param name="cases">Cases in order.</param>
    /// <param name="targets">The devices.</param>
    /// <param name="progress">Told the fraction done, 0 … 1.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public static VerificationReport Run(IReadOnlyList<VerificationCase> cases, IReadOnlyList<IVerificationTarget> targets, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(cases);
        ArgumentNullException.ThrowIfNull(targets);
        using IncrementalHash definition = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        TargetState[] states = [.. targets.Select(t => new TargetState(t))];
        foreach (TargetState state in states)
        {
            state.Prepare(cases);
        }

        TimeSpan computing = TimeSpan.Zero;
        VerificationOperands[] operands = new VerificationOperands[Batch];
        VerificationOutput[] expected = new VerificationOutput[Batch];
        for (int first = 0; first < cases.Count; first += Batch)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(Batch, cases.Count - first), start = first;
            long begun = Stopwatch.GetTimestamp();
            WorkerPool.Run(count, i =>
            {
                operands[i] = new VerificationOperands(cases[start + i]);
                expected[i] = VerificationReference.Compute(operands[i]);
            });
            computing += Stopwatch.GetElapsedTime(begun);
            foreach (TargetState state in states)
            {
                state.Run(operands.AsMemory(0, count), expected);
            }

            for (int i = 0; i < count; i++)
            {
                Append(definition, expected[i]);
            }

            progress?.Report((double)(first + count) / cases.Count);
        }

        TargetReport[] reports = [.. states.Select(s => s.Finish())];
        string hash = reports.Length > 0 && reports.All(r => r.Hash == reports[0].Hash) ? reports[0].Hash : Finish(definition);
        return new VerificationReport(hash, reports) { Times = new VerificationTimes(0, computing.TotalSeconds, [.. states.Select(s => s.Times)]) };
    }

    private static void Append(IncrementalHash hash, VerificationOutput output)
    {
        // Every supported processor is little endian.
        hash.AppendData(MemoryMarshal.AsBytes(output.Sums.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(output.HighSums.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(output.Outputs.AsSpan()));
    }

    private static string Finish(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset());

    private sealed class TargetState(IVerificationTarget target)
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly int[] _cases = new int[target.Kernels.Count];
        private readonly int[] _mismatches = new int[target.Kernels.Count];
        private TimeSpan _preparing, _running;

        public TargetTimes Times => new(target.Name, _preparing.TotalSeconds, _running.TotalSeconds, target.Built);

        public void Prepare(IReadOnlyList<VerificationCase> cases)
        {
            long begun = Stopwatch.GetTimestamp();
            target.Prepare(cases);
            _preparing = Stopwatch.GetElapsedTime(begun);
        }

        public void Run(ReadOnlyMemory<VerificationOperands> operands, VerificationOutput[] expected)
        {
            long begun = Stopwatch.GetTimestamp();

            // The target's own choice of kernel makes the hash.
            VerificationOutput[] own = [.. operands.Span.ToArray().Select(o => new VerificationOutput(o.Case))];
            for (int i = 0; target.IsThreaded && i < own.Length; i++)
            {
                target.Run(operands.Span[i], [null], [own[i]]);
            }

            WorkerPool.Run(own.Length, i => Compare(operands.Span[i], expected[i], own[i]));
            Array.ForEach(own, o => Append(_hash, o));
            _running += Stopwatch.GetElapsedTime(begun);
        }

        public TargetReport Finish()
        {
            KernelReport[] kernels = [.. target.Kernels.Select((name, i) => new KernelReport(name, _cases[i], _mismatches[i]))];
            string hash = Verifier.Finish(_hash);
            _hash.Dispose();
            return new TargetReport(target.Name, hash, kernels);
        }

        private void Compare(VerificationOperands operands, VerificationOutput expected, VerificationOutput own)
        {
            List<string?> kernels = target.IsThreaded ? [] : [null];
            List<VerificationOutput> outputs = target.IsThreaded ? [] : [own];
            foreach (string kernel in target.Kernels.Where(k => target.Serves(k, operands.Case)))
            {
                kernels.Add(kernel);
                outputs.Add(new VerificationOutput(operands.Case));
            }

            target.Run(operands, kernels, outputs);
            for (int k = 0; k < target.Kernels.Count; k++)
            {
                int at = kernels.IndexOf(target.Kernels[k]);
                if (at >= 0)
                {
                    Interlocked.Increment(ref _cases[k]);
                    Interlocked.Add(ref _mismatches[k], outputs[at].HasSameBits(expected) ? 0 : 1);
                }
            }
        }
    }
}

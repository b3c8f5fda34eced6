using System.Runtime.CompilerServices;
using FsCheck.Xunit;
using Portable.Reference.Threading;

namespace Portable.Tests.Threading;

/// <summary>Pieces are claimed: each runs once, whoever comes, and nobody waits for a helper that has none.</summary>
public sealed class WorkerPoolTests
{
    // For tests that would hang where they should fail.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Property(MaxTest = 100)]
    public void EveryPieceRunsOnceOnAtMostSoManyThreads(byte size, ushort pieces, byte worth)
    {
        int threads = 1 + size % 9, count = pieces % 2000, most = worth % 12;
        using WorkerPool pool = new(threads);
        using WorkerPool.Scope scope = pool.Use();
        int[] runs = new int[count], by = new int[count];
        WorkerPool.Run(count, i =>
        {
            Interlocked.Increment(ref runs[i]);
            by[i] = Environment.CurrentManagedThreadId;
        }, most);
        Assert.All(runs, r => Assert.Equal(1, r));
        Assert.InRange(by.Distinct().Count(), 0, Math.Min(threads, Math.Max(most, 1)));
    }

    [Property(MaxTest = 20)]
    public void SeveralThreadsUseOnePoolAtOnce(byte size)
    {
        using WorkerPool pool = new(2 + size % 4);
        int[] sums = new int[4];
        Thread[] callers = [.. sums.Select((_, c) => new Thread(() =>
        {
            using WorkerPool.Scope scope = pool.Use();
            for (int round = 0; round < 200; round++)
            {
                WorkerPool.Run(round, _ => Interlocked.Increment(ref sums[c]));
            }
        }))];
        Array.ForEach(callers, c => c.Start());
        Array.ForEach(callers, c => c.Join());
        Assert.All(sums, s => Assert.Equal(199 * 200 / 2, s));
    }

    // A model's tables would live as long as the crew where a crowded machine leaves the caller alone with its work.
    [Property(MaxTest = 20)]
    public void WhatWorkWasDoneWithIsLetGoWhenFewerThreadsTakePart(byte size, byte fewer)
    {
        int threads = 2 + size % 7, left = 1 + fewer % (threads - 1);
        Job job = new(threads);
        WeakReference[] tables = Work(job, threads);
        RunAlone(job, left, _ => { });
        GC.Collect();
        Assert.DoesNotContain(tables, t => t.IsAlive);
        GC.KeepAlive(job);
    }

    // Calls are told apart by a number that comes again; threads that take no part for long keep an old one.
    [Theory]
    [InlineData(int.MaxValue - 3)]
    [InlineData(-4)]
    [InlineData((1 << 30) - 4)]
    public void CallsAreToldApartWhenTheirNumberComesAgain(int number)
    {
        Job job = new(3, number);
        for (int call = 0; call < 8; call++)
        {
            int used = call is 0 or 7 ? 3 : 1 + call % 2, ran = 0;
            job.Begin(5, _ => ran++, used);
            Assert.False(job.Done);
            job.Lead();
            Assert.True(job.Done);
            Assert.Equal(5, ran);

            // A helper that comes late finds nothing.
            job.Help(job.Look(), used - 1);
            Assert.Equal(5, ran);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference[] Work(Job job, int threads) => [.. Enumerable.Range(1, threads).Select(used =>
    {
        byte[] table = new byte[1000];
        RunAlone(job, used, _ => table[0]++);
        return new WeakReference(table);
    })];

    private static void RunAlone(Job job, int used, Action<int> body)
    {
        job.Begin(used, body, used);
        job.Lead();
        job.End();
    }

    [Fact]
    public void NobodyWaitsForAHelperThatHasNoPiece()
    {
        using WorkerPool pool = new(2);
        using ManualResetEventSlim held = new(), release = new();
        Thread first = new(() =>
        {
            using WorkerPool.Scope scope = pool.Use();
            using Barrier both = new(2);
            WorkerPool.Run(2, _ =>
            {
                both.SignalAndWait(Patience);
                held.Set();
                release.Wait(Patience);
            });
        });
        first.Start();
        Assert.True(held.Wait(Patience));

        // The pool's only helper is stuck in the other caller's piece.
        int ran = 0;
        Thread second = new(() =>
        {
            using WorkerPool.Scope scope = pool.Use();
            WorkerPool.Run(100, _ => Interlocked.Increment(ref ran));
        });
        second.Start();
        bool finished = second.Join(Patience);
        release.Set();
        first.Join();
        Assert.True(finished);
        Assert.Equal(100, ran);
    }

    [Fact]
    public void ASecondPoolHasHelpersWhileTheFirstWorks()
    {
        using WorkerPool one = new(2), two = new(2);
        bool met = false;
        using (one.Use())
        {
            using ManualResetEventSlim done = new();
            WorkerPool.Run(2, piece =>
            {
                if (piece == 0)
                {
                    Thread other = new(() => met = Meets(two));
                    other.Start();
                    other.Join();
                    done.Set();
                }

                done.Wait(Patience);
            });
        }

        Assert.True(met);
    }

    [Fact]
    public void APoolThatWasStoppedAndOneOfOneThreadRunEverythingOnTheCaller()
    {
        WorkerPool stopped = new(3);
        stopped.Dispose();
        using WorkerPool single = new(1);
        foreach (WorkerPool pool in (WorkerPool[])[stopped, single])
        {
            using WorkerPool.Scope scope = pool.Use();
            HashSet<int> by = [];
            WorkerPool.Run(50, _ => by.Add(Environment.CurrentManagedThreadId));
            Assert.Equal([Environment.CurrentManagedThreadId], by);
        }
    }

    [Property(MaxTest = 50)]
    public void AnExceptionReachesTheCallerAndThePoolGoesOn(byte size, byte at)
    {
        using WorkerPool pool = new(1 + size % 4);
        using WorkerPool.Scope scope = pool.Use();
        var thrown = Assert.Throws<InvalidDataException>(() => WorkerPool.Run(256, i =>
        {
            if (i == at)
            {
                throw new InvalidDataException($"piece {i}");
            }
        }));
        Assert.Equal($"piece {at}", thrown.Message);
        int ran = 0;
        WorkerPool.Run(10, _ => Interlocked.Increment(ref ran));
        Assert.Equal(10, ran);
    }

    [Fact]
    public void WorkInsideAPieceStaysOnItsThread()
    {
        using WorkerPool pool = new(4);
        using WorkerPool.Scope scope = pool.Use();
        WorkerPool.Run(8, _ =>
        {
            HashSet<int> by = [];
            WorkerPool.Run(20, _ => by.Add(Environment.CurrentManagedThreadId));
            Assert.Equal([Environment.CurrentManagedThreadId], by);
        });
    }

    [Fact]
    public void AScopeEndsWithThePoolOfBefore()
    {
        int before = WorkerPool.Threads;
        using WorkerPool outer = new(3), inner = new(5);
        using (outer.Use())
        {
            using WorkerPool same = new();
            Assert.Equal(3, same.Size);
            using (inner.Use())
            {
                Assert.Equal(5, WorkerPool.Threads);
            }

            Assert.Equal(3, WorkerPool.Threads);
        }

        Assert.Equal(before, WorkerPool.Threads);
    }

    // Both of its threads are in a piece at the same time.
    private static bool Meets(WorkerPool pool)
    {
        using WorkerPool.Scope scope = pool.Use();
        using Barrier both = new(2);
        bool met = true;
        WorkerPool.Run(2, _ => met &= both.SignalAndWait(Patience));
        return met;
    }
}

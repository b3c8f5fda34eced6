using FsCheck.Xunit;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tests.Models;
using Portable.Tests.Support;

namespace Portable.Tests.Evaluation;

/// <summary>Models side by side against each run by itself and the definitions.</summary>
public sealed class LockstepTests
{
    private const int Vocabulary = 97;

    [Property(MaxTest = 12)]
    public void Each_position_is_scored_as_if_models_ran_alone(int seed, byte context, byte skip, byte rows)
    {
        int length = 2 + (context % 40), windows = 1 + (seed & 1), left = skip % (length - 1);
        int[] tokens = ChunkingTests.Tokens((windows * length) + 3, seed);
        ModelConfig shape = RandomModel.Llama();
        using Transformer exact = new(new RandomModel(shape, 32, 1, null), new CpuExecutor());
        using Transformer coarse = new(RandomModel.RoundToNearest(shape, "W3A8", 1), new CpuExecutor()), fine = new(RandomModel.RoundToNearest(shape, "W8A8", 1), new CpuExecutor());
        ScoredPositions[] scores = new Lockstep(exact, [coarse, fine], length, windows, left, rows % 50).Run(tokens, null, default);
        Transformer[] all = [exact, coarse, fine];
        int perWindow = length - 1 - left;
        for (int window = 0; window < windows; window++)
        {
            int[] part = tokens.AsSpan(window * length, length).ToArray();
            float[][] logits = [.. all.Select(m => m.Forward(Batch.Consecutive(part, 0, allLogits: true)).ToArray())];
            for (int i = left; i < length - 1; i++)
            {
                float[][] row = [.. logits.Select(l => l.AsSpan(i * Vocabulary, Vocabulary).ToArray())];
                int place = (window * perWindow) + i - left;
                for (int m = 0; m < all.Length; m++)
                {
                    // The float model's sums may depend on how its rows are cut.
                    Assert.Equal(Math.Log(row[m].Sum(v => Math.Exp(v - row[m][part[i + 1]]))), scores[m].Losses[place], 1e-4);
                    Assert.Equal(DivergenceTests.Defined(row[0], row[m]), scores[m].Divergences[place], 1e-5);
                    Assert.Equal(Array.IndexOf(row[0], row[0].Max()) == Array.IndexOf(row[m], row[m].Max()), scores[m].SameTop[place]);
                }
            }
        }

        Assert.All(scores, s => Assert.Equal(windows * perWindow, s.Losses.Length));
    }

    [Fact]
    public void Progress_moves_within_a_window_and_never_back()
    {
        using Transformer a = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W8A8", 1), new CpuExecutor()), b = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 1), new CpuExecutor());
        List<double> told = [];
        new Lockstep(a, [b], 16, 1, 0, 6).Run(ChunkingTests.Tokens(16, 1), new Immediate(told.Add), default);
        Assert.Equal(told.Order(), told);
        Assert.True(told.Distinct().Count() >= 10);
        Assert.Equal(1, told[^1]);
        Assert.Null(a.BlockDone);
    }

    private sealed class Immediate(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}

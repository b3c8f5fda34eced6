using FsCheck.Xunit;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;
using Portable.Tests.Models;
using Portable.Tests.Support;

namespace Portable.Tests.Evaluation;

public sealed class PerplexityTests
{
    [Property(MaxTest = 50)]
    public void Cross_entropy_is_minus_log_softmax(int seed, byte size)
    {
        Random random = new(seed);
        float[] logits = Enumerable.Range(0, size + 2).Select(_ => (float)(random.NextDouble() * 40 - 20)).ToArray();
        int target = random.Next(logits.Length);
        double expected = Math.Log(logits.Sum(l => Math.Exp(l - logits[target])));
        Assert.Equal(expected, CrossEntropy.Loss(logits, target), 1e-5 * Math.Max(1, expected));
    }

    [Fact]
    public void Windows_are_scored_on_their_own_and_a_partial_one_is_dropped()
    {
        int[] tokens = ChunkingTests.Tokens(3 * 20 + 7, 2);
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W8A8", 1), new CpuExecutor());
        double sum = 0;
        for (int window = 0; window < 3; window++)
        {
            int[] part = tokens.AsSpan(window * 20, 20).ToArray();
            float[] logits = model.Forward(Batch.Consecutive(part, 0, allLogits: true)).ToArray();
            for (int i = 0; i < 19; i++)
            {
                float[] row = logits.AsSpan(i * 97, 97).ToArray();
                sum += Math.Log(row.Sum(l => Math.Exp(l - row[part[i + 1]])));
            }
        }

        PerplexityResult result = Perplexity.Measure(model, tokens, 20);
        Assert.Equal((3, 57L, 20), (result.Windows, result.Predictions, result.Context));
        Assert.Equal(sum / 57, result.MeanNll, 1e-5);
        Assert.Equal(2, Perplexity.Measure(model, tokens, 20, windows: 2).Windows);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(161)]
    [InlineData(100)]
    public void A_context_that_does_not_fit_is_an_error(int context)
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W8A8", 1), new CpuExecutor());
        Assert.Throws<ArgumentException>(() => Perplexity.Measure(model, ChunkingTests.Tokens(80, 2), context));
    }
}

using BenchmarkDotNet.Attributes;
using Portable.Generation;

namespace Portable.Benchmarks;

/// <summary>One draw from the logits of a large vocabulary, spread as a trained model's are.</summary>
public class SamplerBenchmarks
{
    private readonly float[] _logits = new float[128_256];
    private Sampler _sampler = null!;
    private int _position;

    /// <summary>Whether all tokens are about as likely, the worst case.</summary>
    [Params(false, true)]
    public bool Flat { get; set; }

    /// <summary>Share of the probability that is drawn from.</summary>
    [Params(0.95, 1.0)]
    public double TopP { get; set; }

    /// <summary>Makes logits.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        for (int i = 0; i < _logits.Length; i++)
        {
            // A sum of uniforms is bell-shaped; some tokens stand out.
            double bell = random.NextDouble() + random.NextDouble() + random.NextDouble() + random.NextDouble() - 2;
            _logits[i] = (float)(Flat ? random.NextDouble() : (4 * bell) + (random.Next(5000) == 0 ? 12 : 0));
        }

        _sampler = new Sampler(new SamplingOptions { Temperature = 0.8, TopP = TopP });
    }

    /// <summary>One token.</summary>
    [Benchmark]
    public int Draw() => _sampler.Next(_logits, _position++);
}

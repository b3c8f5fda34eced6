namespace Portable.Verification;

/// <summary>The equality matrix.</summary>
/// <param name="Hash">The hash that all targets share, or of the plain definition where they do not.</param>
/// <param name="Targets">One per target.</param>
internal sealed record VerificationReport(string Hash, IReadOnlyList<TargetReport> Targets)
{
    /// <summary>What took how long, where that was asked for.</summary>
    public VerificationTimes? Times { get; init; }

    /// <summary>Whether all hashes are equal and nothing mismatched.</summary>
    public bool Passed => Targets.All(t => t.Hash == Hash && t.Kernels.All(k => k.Mismatches == 0));
}

/// <summary>One target.</summary>
/// <param name="Name">The device.</param>
/// <param name="Hash">SHA-256 over its own sums (int32) and outputs (f32) of every case, little endian, in the order of the list.</param>
/// <param name="Kernels">One per kernel.</param>
internal sealed record TargetReport(string Name, string Hash, IReadOnlyList<KernelReport> Kernels);

/// <summary>One kernel.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Cases">Cases that it serves and ran.</param>
/// <param name="Mismatches">Cases in which any bit differed from the definition.</param>
internal sealed record KernelReport(string Name, int Cases, int Mismatches);

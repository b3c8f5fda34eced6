namespace Portable.Verification;

/// <summary>What a verification spent its time on, in seconds of the clock.</summary>
/// <param name="OpeningSeconds">Until all targets were open: where a device was never met, its first check.</param>
/// <param name="ExpectedSeconds">Operands of the cases, and their results by the definition.</param>
/// <param name="Targets">One per target.</param>
internal sealed record VerificationTimes(double OpeningSeconds, double ExpectedSeconds, IReadOnlyList<TargetTimes> Targets);

/// <summary>What one target took.</summary>
/// <param name="Name">The device.</param>
/// <param name="PreparingSeconds">Building its kernels ahead of the cases.</param>
/// <param name="RunningSeconds">Running the cases and comparing them.</param>
/// <param name="Built">The kernels that were built, by shader.</param>
internal sealed record TargetTimes(string Name, double PreparingSeconds, double RunningSeconds, IReadOnlyList<BuiltKernels> Built);

/// <summary>Kernels of one shader that were built.</summary>
/// <param name="Shader">The shader.</param>
/// <param name="Count">How many.</param>
/// <param name="Seconds">What building them took, added up; several are built at once.</param>
internal sealed record BuiltKernels(string Shader, int Count, double Seconds);

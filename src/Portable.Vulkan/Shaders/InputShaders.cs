using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/calibration/magnitudes.comp: how often every column takes which magnitude.</summary>
internal sealed record MagnitudesShader : Shader<MaximaPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>Rows of a workgroup.</summary>
    public required int Stretch { get; init; }

    /// <inheritdoc/>
    public override string Name => "magnitudes";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Stretch);
    }
}

/// <summary>shaders/calibration/round_input.comp: what a flattened layer sees of its input.</summary>
internal sealed record RoundInputShader : Shader<RoundInputPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>Rows of a workgroup.</summary>
    public required int Stretch { get; init; }

    /// <summary>Whether rows are divided by factors first.</summary>
    public required bool Divides { get; init; }

    /// <inheritdoc/>
    public override string Name => "round_input";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Stretch);
        constants.Set(2, Divides);
    }
}

/// <summary>Push constants of <see cref="RoundInputShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct RoundInputPush(ulong X, ulong Limits, ulong Factors, ulong Exact, ulong Seen, ulong Clipped, uint Columns, uint Rows, float Scale, float Reciprocal);

/// <summary>shaders/calibration/output_counts.comp: histograms of exact and approximate outputs.</summary>
internal sealed record OutputCountsShader : Shader<OutputCountsPush>
{
    /// <summary>Invocations.</summary>
    public int Workgroup => 256;

    /// <summary>Values of a workgroup.</summary>
    public int Stretch => 1 << 16;

    /// <summary>Whether approximate outputs are multiplied by factors first.</summary>
    public required bool Scales { get; init; }

    /// <inheritdoc/>
    public override string Name => "output_counts";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Stretch);
        constants.Set(2, Scales);
    }
}

/// <summary>Push constants of <see cref="OutputCountsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct OutputCountsPush(ulong Exact, ulong Approximate, ulong Factors, ulong Range, ulong Counts, uint Columns, uint Values);

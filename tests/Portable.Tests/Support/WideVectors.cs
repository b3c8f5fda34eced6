using System.Runtime.Intrinsics;
using Xunit;

namespace Portable.Tests.Support;

/// <summary>Tests that quantize or train again and again: many minutes without wide vectors, and the same bits.</summary>
internal static class WideVectors
{
    /// <summary>Skips the running test on tiers without 256-bit vectors.</summary>
    public static void Require() => Skip.IfNot(Vector256.IsHardwareAccelerated, "runs on tiers with 256-bit vectors; frozen values prove that the bits are the same on the others");
}

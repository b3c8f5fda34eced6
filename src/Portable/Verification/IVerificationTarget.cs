namespace Portable.Verification;

/// <summary>A device that can run the cases.</summary>
public interface IVerificationTarget
{
    /// <summary>The device ("cpu", "vulkan:0 NVIDIA H200").</summary>
    string Name { get; }

    /// <summary>Its kernels, by the names that force them.</summary>
    IReadOnlyList<string> Kernels { get; }

    /// <summary>Whether <see cref="Run"/> may be called on several threads at once.</summary>
    bool IsConcurrent { get; }

    /// <summary>Whether a kernel can evaluate the case's widths exactly.</summary>
    bool Serves(string kernel, VerificationCase verificationCase);

    /// <summary>Computes a case.</summary>
    /// <param name="operands">The case.</param>
    /// <param name="kernel">The kernel, or null for the target's own choice.</param>
    /// <param name="output">Receives sums and outputs.</param>
    void Run(VerificationOperands operands, string? kernel, VerificationOutput output);
}

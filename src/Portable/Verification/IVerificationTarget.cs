namespace Portable.Verification;

/// <summary>A device that can run the cases.</summary>
internal interface IVerificationTarget
{
    /// <summary>The device ("cpu", "vulkan:0 NVIDIA H200").</summary>
    string Name { get; }

    /// <summary>Its kernels, by the names that force them.</summary>
    IReadOnlyList<string> Kernels { get; }

    /// <summary>Whether one case is spread over threads of the target's own; then its own choice of kernel runs alone, to prove that too.</summary>
    bool IsThreaded { get; }

    /// <summary>Whether a kernel can evaluate the case's widths exactly.</summary>
    bool Serves(string kernel, VerificationCase verificationCase);

    /// <summary>Kernels that had to be built, by shader; none where all come with the program.</summary>
    IReadOnlyList<BuiltKernels> Built => [];

    /// <summary>Does ahead of the cases what can be done ahead: a GPU's kernels are built on all processors.</summary>
    void Prepare(IReadOnlyList<VerificationCase> cases)
    {
    }

    /// <summary>Computes a case with some kernels. Called on several threads at once.</summary>
    /// <param name="operands">The case.</param>
    /// <param name="kernels">Kernels; null is the target's own choice.</param>
    /// <param name="outputs">Receive sums and outputs, one for each kernel.</param>
    void Run(VerificationOperands operands, IReadOnlyList<string?> kernels, IReadOnlyList<VerificationOutput> outputs);
}

using Portable.Reference.Arithmetic;
using Portable.Reference.Matmul;
using Portable.Reference.Quantization;

namespace Portable.Verification;

/// <summary>The processor: every kernel of the table that this process can run.</summary>
internal sealed class CpuVerificationTarget : IVerificationTarget
{
    /// <inheritdoc/>
    public string Name => "cpu";

    /// <inheritdoc/>
    public IReadOnlyList<string> Kernels { get; } = [.. KernelTable.Supported.Select(k => k.Name)];

    /// <inheritdoc/>
    public bool IsThreaded => true;

    /// <inheritdoc/>
    public bool Serves(string kernel, VerificationCase verificationCase)
    {
        ArgumentNullException.ThrowIfNull(verificationCase);
        return KernelTable.Serves(KernelTable.Supported.First(k => k.Name == kernel), verificationCase.Weights, verificationCase.Activations, InBaseFive(verificationCase));
    }

    /// <inheritdoc/>
    public void Run(VerificationOperands operands, IReadOnlyList<string?> kernels, IReadOnlyList<VerificationOutput> outputs)
    {
        ArgumentNullException.ThrowIfNull(operands);
        ArgumentNullException.ThrowIfNull(kernels);
        ArgumentNullException.ThrowIfNull(outputs);
        foreach ((string? kernel, VerificationOutput output) in kernels.Zip(outputs))
        {
            QuantizedLinear linear = kernel is not null && InBaseFive(operands.Case) && KernelTable.Supported.First(k => k.Name == kernel).ReadsBaseFive ? operands.LinearInBaseFive : operands.Linear;
            BitMatmul.Accumulate(operands.Activations, linear.Weights, output.Sums, output.HighSums, kernel);
            BitMatmul.Multiply(operands.Activations, linear, output.Outputs, operands.Case.Channels, kernel);
            HalfConversion.ToHalf(output.Outputs, output.Halves);
        }
    }

    // Groups are not kept so.
    private static bool InBaseFive(VerificationCase verificationCase) => verificationCase.FiveLevels && verificationCase.Layout.Groups == 1;
}

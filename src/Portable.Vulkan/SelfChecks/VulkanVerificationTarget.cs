using System.Runtime.InteropServices;
using Portable.Verification;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.SelfChecks;

/// <summary>A Vulkan device as a target of verification: each technique a kernel, and the dispatcher's choice.</summary>
internal sealed class VulkanVerificationTarget : IVerificationTarget, IDisposable
{
    private readonly VulkanContext _gpu;
    private readonly bool _owned;
    private readonly MatmulDispatcher _dispatcher;

    /// <summary>Verifies an opened device.</summary>
    public VulkanVerificationTarget(VulkanContext gpu)
        : this(gpu, owned: false)
    {
    }

    private VulkanVerificationTarget(VulkanContext gpu, bool owned)
    {
        (_gpu, _owned, _dispatcher) = (gpu, owned, MatmulDispatcher.For(gpu, SelfCheck.Of(gpu)));
        var any = new MatmulProblem(1, 32, new(64), new(4, false), new(8, true));
        Kernels = [.. MatmulTechniques.Supported(gpu.Facts, any).Select(t => t.Name)];
    }

    /// <inheritdoc/>
    public string Name => $"vulkan:{_gpu.Facts.Index} {_gpu.Facts.Name}";

    /// <inheritdoc/>
    public IReadOnlyList<string> Kernels { get; }

    /// <inheritdoc/>
    public bool IsThreaded => false;

    /// <summary>Takes over an opened device.</summary>
    public static VulkanVerificationTarget Owning(VulkanContext gpu) => new(gpu, owned: true);

    /// <inheritdoc/>
    public bool Serves(string kernel, VerificationCase verificationCase)
    {
        var problem = new MatmulProblem(verificationCase.Rows, verificationCase.Channels, verificationCase.Layout, verificationCase.Weights, verificationCase.Activations);
        return MatmulTechniques.Named(kernel).Candidates(_gpu.Facts, problem).Any();
    }

    /// <inheritdoc/>
    public void Run(VerificationOperands operands, IReadOnlyList<string?> kernels, IReadOnlyList<VerificationOutput> outputs)
    {
        ArgumentNullException.ThrowIfNull(operands);
        ArgumentNullException.ThrowIfNull(kernels);
        ArgumentNullException.ThrowIfNull(outputs);
        using GpuLinear weights = GpuLinear.Upload(_gpu, [operands.Linear]);
        using GpuActivations x = GpuActivations.Upload(_gpu, operands.Activations);

        // Everything that the kernels write side by side: one submission and one download for a case.
        int sums = outputs[0].Sums.Length + outputs[0].HighSums.Length, floats = outputs[0].Outputs.Length, words = sums + floats + ((floats + 1) / 2);
        using GpuBuffer target = _gpu.Allocate((long)sizeof(int) * words * kernels.Count);
        _gpu.Run(r =>
        {
            // What a kernel leaves out must not look right.
            r.Fill(target, 0, target.Size, uint.MaxValue).Barrier();
            for (int i = 0; i < kernels.Count; i++)
            {
                ulong first = target.Address + ((ulong)i * sizeof(int) * (ulong)words);
                Record(r, weights, x.Addresses, operands.Activations.Rows, kernels[i], MatmulOutput.Integers, first);
                Record(r, weights, x.Addresses, operands.Activations.Rows, kernels[i], MatmulOutput.Float32, first + (sizeof(int) * (ulong)sums));
                Record(r, weights, x.Addresses, operands.Activations.Rows, kernels[i], MatmulOutput.Float16, first + (sizeof(int) * (ulong)(sums + floats)));
            }
        });
        int[] all = new int[words * kernels.Count];
        _gpu.Download<int>(target, all);
        for (int i = 0; i < kernels.Count; i++)
        {
            ReadOnlySpan<int> own = all.AsSpan(i * words, words);
            own[..outputs[i].Sums.Length].CopyTo(outputs[i].Sums);
            own[outputs[i].Sums.Length..sums].CopyTo(outputs[i].HighSums);
            MemoryMarshal.Cast<int, float>(own.Slice(sums, floats)).CopyTo(outputs[i].Outputs);
            MemoryMarshal.Cast<int, ushort>(own[(sums + floats)..])[..floats].CopyTo(outputs[i].Halves);
        }
    }

    private void Record(CommandRecorder recorder, GpuLinear weights, ActivationAddresses x, int rows, string? kernel, MatmulOutput output, ulong y)
    {
        MatmulProblem problem = weights.Problem(rows, output: output, general: true);
        MatmulPlan chosen = kernel is null ? _dispatcher.Choose(problem) : MatmulTechniques.Named(kernel).Candidates(_gpu.Facts, problem).First();
        if (chosen.Splits > 1)
        {
            recorder.Barrier();
        }

        chosen.Record(_gpu, recorder, weights, problem, x, y, weights.Rows);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_owned)
        {
            _gpu.Dispose();
        }
    }
}

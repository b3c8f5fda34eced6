using Portable.Verification;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Matmul;

/// <summary>A Vulkan device as a target of verification: each technique a kernel, and the dispatcher's choice.</summary>
public sealed class VulkanVerificationTarget : IVerificationTarget, IDisposable
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
        (_gpu, _owned, _dispatcher) = (gpu, owned, MatmulDispatcher.For(gpu));
        var any = new MatmulProblem(1, 32, new(64), new(4, false), new(8, true));
        Kernels = [.. MatmulTechniques.Supported(gpu.Facts, any).Select(t => t.Name)];
    }

    /// <inheritdoc/>
    public string Name => $"vulkan:{_gpu.Facts.Index} {_gpu.Facts.Name}";

    /// <inheritdoc/>
    public IReadOnlyList<string> Kernels { get; }

    /// <inheritdoc/>
    public bool IsConcurrent => true;

    /// <summary>Opens a device for verification.</summary>
    /// <param name="selector">Index or part of a name; null for the best.</param>
    public static VulkanVerificationTarget Open(string? selector) => new(VulkanContext.Open(VulkanDevices.Select(selector)), owned: true);

    /// <inheritdoc/>
    public bool Serves(string kernel, VerificationCase verificationCase)
    {
        var problem = new MatmulProblem(verificationCase.Rows, verificationCase.Channels, verificationCase.Layout, verificationCase.Weights, verificationCase.Activations);
        return MatmulTechniques.Named(kernel).Candidates(_gpu.Facts, problem).Any();
    }

    /// <inheritdoc/>
    public void Run(VerificationOperands operands, string? kernel, VerificationOutput output)
    {
        using GpuLinear weights = GpuLinear.Upload(_gpu, [operands.Linear]);
        using GpuActivations x = GpuActivations.Upload(_gpu, operands.Activations);
        int m = operands.Activations.Rows, n = weights.Rows, sums = output.Sums.Length;
        using GpuBuffer integers = _gpu.Allocate(4L * (sums + output.HighSums.Length)), floats = _gpu.Allocate(4L * output.Outputs.Length);
        _gpu.Run(r =>
        {
            foreach ((MatmulOutput kind, GpuBuffer target) in new[] { (MatmulOutput.Integers, integers), (MatmulOutput.Float32, floats) })
            {
                MatmulProblem problem = weights.Problem(m, output: kind, general: true);
                VulkanKernel chosen = kernel is null ? _dispatcher.Choose(problem) : MatmulTechniques.Named(kernel).Candidates(_gpu.Facts, problem).First();
                chosen.Record(_gpu, r, weights, problem, x.Addresses, target.Address, n);
            }
        });
        _gpu.Download<int>(integers, output.Sums);
        _gpu.Download<int>(integers, output.HighSums, 4L * sums);
        _gpu.Download<float>(floats, output.Outputs);
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

using System.Collections.Concurrent;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>Records matmuls with the kernel that the dispatcher takes for each. One per context; thread-safe.</summary>
internal sealed class GpuMatmul
{
    private readonly ConcurrentDictionary<MatmulProblem, MatmulPlan> _choices = new();
    private readonly ConcurrentDictionary<object, Task> _built = new();

    /// <summary>Prepares a device: reads what tuning has left.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What its self-check found.</param>
    /// <param name="forced">A technique to use always, or null for the best.</param>
    public GpuMatmul(VulkanContext gpu, SelfCheckResult check, string? forced = null) => (Gpu, Dispatcher) = (gpu, MatmulDispatcher.For(gpu, check, forced));

    /// <summary>The device.</summary>
    public VulkanContext Gpu { get; }

    /// <summary>What chooses.</summary>
    public MatmulDispatcher Dispatcher { get; }

    /// <summary>The kernel that serves a problem.</summary>
    public MatmulPlan KernelFor(MatmulProblem problem) => _choices.GetOrAdd(problem, p => Gpu.Facts.PipelineStatistics ? Cleanest(p) : Dispatcher.Choose(p));

    private MatmulPlan Cleanest(MatmulProblem problem)
    {
        const int Tries = 6;
        return CleanestPipeline.Of(Dispatcher.Candidates(problem).Take(Tries), k => k.Prepare(Gpu, problem)) ?? Dispatcher.Choose(problem);
    }

    /// <summary>
    /// Begins to build the kernels of a layer for so many tokens on other threads, so that the first prompt need not wait for
    /// them; a kernel that is needed before it is built is waited for.
    /// </summary>
    public void Prepare(GpuLinear w, params ReadOnlySpan<int> rows)
    {
        foreach (int m in rows)
        {
            MatmulProblem problem = w.Problem(m);
            _ = _built.GetOrAdd(problem, _ => Task.Run(() => KernelFor(problem).Prepare(Gpu, problem)));
        }
    }

    /// <summary>The same for kernels that are chosen already.</summary>
    public void Prepare(IEnumerable<MatmulShader> shaders)
    {
        foreach (MatmulShader shader in shaders)
        {
            _ = _built.GetOrAdd(shader, _ => Task.Run(() => Gpu.Pipeline(shader)));
        }
    }

    /// <summary>Waits until no kernel is being built: before the device goes.</summary>
    public void Settle()
    {
        foreach (Task task in _built.Values)
        {
            // What could not be built fails again, and is told, where it is used.
            ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        }
    }

    /// <summary>Records y = x · Wᵀ (+ bias), or y = y + that. One dispatch, no barrier: put one before and after.</summary>
    /// <param name="recorder">Where to.</param>
    /// <param name="w">The weights.</param>
    /// <param name="x">Activations.</param>
    /// <param name="rows">M.</param>
    /// <param name="y">Address of y[0, first column].</param>
    /// <param name="yStride">Elements between rows of y.</param>
    /// <param name="residual">Add to y.</param>
    public void Record(CommandRecorder recorder, GpuLinear w, ActivationAddresses x, int rows, ulong y, int yStride, bool residual = false)
    {
        MatmulProblem problem = w.Problem(rows, residual);
        KernelFor(problem).Record(Gpu, recorder, w, problem, x, y, yStride);
    }
}

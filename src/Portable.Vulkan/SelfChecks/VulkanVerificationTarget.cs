using System.Collections.Concurrent;
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

    // One for each thread that runs cases: results come back with the submission that makes them, and nobody waits for another's.
    private readonly ConcurrentBag<GpuBuffer> _readbacks = [];

    // Kept so that the last case of a moment does not give the block of all cases back to the driver.
    private readonly GpuBuffer _anchor;

    /// <summary>Verifies an opened device.</summary>
    public VulkanVerificationTarget(VulkanContext gpu)
        : this(gpu, owned: false)
    {
    }

    private VulkanVerificationTarget(VulkanContext gpu, bool owned)
    {
        (_gpu, _owned, _dispatcher, _anchor) = (gpu, owned, MatmulDispatcher.For(gpu, SelfCheck.Of(gpu)), gpu.Allocate(1));
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
    public IReadOnlyList<BuiltKernels> Built =>
        [.. _gpu.Pipelines.GroupBy(p => p.Shader.Name, p => p.Pipeline.Statistics.Seconds).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => new BuiltKernels(g.Key, g.Count(), g.Sum()))];

    /// <inheritdoc/>
    public void Prepare(IReadOnlyList<VerificationCase> cases)
    {
        ArgumentNullException.ThrowIfNull(cases);
        var kernels =
            from c in cases
            from problem in Problems(c)
            from plan in Kernels.Select(k => MatmulTechniques.Named(k).Candidates(_gpu.Facts, problem).FirstOrDefault()).Append(_dispatcher.Choose(problem))
            where plan is not null
            select plan.ShaderFor(problem);
        _gpu.BuildAhead(kernels.Distinct().Select(k => (Action)(() => _gpu.Pipeline(k))));
    }

    /// <inheritdoc/>
    public bool Serves(string kernel, VerificationCase verificationCase)
    {
        MatmulProblem problem = Problems(verificationCase).First();
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

        // Everything that the kernels write side by side: one submission for a case.
        int sums = outputs[0].Sums.Length + outputs[0].HighSums.Length, floats = outputs[0].Outputs.Length, words = sums + floats + ((floats + 1) / 2);
        using GpuBuffer target = _gpu.Allocate((long)sizeof(int) * words * kernels.Count);
        GpuBuffer readback = Readback(target.Size);
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

            r.Barrier().Copy(target, 0, readback, 0, target.Size);
        });
        int[] all = new int[words * kernels.Count];
        _gpu.Download<int>(readback, all);
        _readbacks.Add(readback);
        for (int i = 0; i < kernels.Count; i++)
        {
            ReadOnlySpan<int> own = all.AsSpan(i * words, words);
            own[..outputs[i].Sums.Length].CopyTo(outputs[i].Sums);
            own[outputs[i].Sums.Length..sums].CopyTo(outputs[i].HighSums);
            MemoryMarshal.Cast<int, float>(own.Slice(sums, floats)).CopyTo(outputs[i].Outputs);
            MemoryMarshal.Cast<int, ushort>(own[(sums + floats)..])[..floats].CopyTo(outputs[i].Halves);
        }
    }

    // As the case's operands will be: what is drawn with them (zero points, scales that halves happen to hold) decides no kernel, or one in a thousand.
    private static IEnumerable<MatmulProblem> Problems(VerificationCase c)
    {
        MatmulProblem floats = new(c.Rows, c.Channels, c.Layout, c.Weights, c.Activations, General: true);
        if (c.Scales is { } scales)
        {
            floats = floats with { HalfScales = true, WeightScales = c.Layout.Scales(scales.Weights), ActivationScales = c.Layout.Scales(scales.Activations) };
        }

        return [floats, floats with { Output = MatmulOutput.Integers }];
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

    private GpuBuffer Readback(long bytes)
    {
        const long Least = 1 << 20;
        if (_readbacks.TryTake(out GpuBuffer? kept))
        {
            if (kept.Size >= bytes)
            {
                return kept;
            }

            kept.Dispose();
        }

        return _gpu.Allocate(Math.Max(bytes, Least), MemoryKind.Readback);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _anchor.Dispose();
        foreach (GpuBuffer readback in _readbacks)
        {
            readback.Dispose();
        }

        if (_owned)
        {
            _gpu.Dispose();
        }
    }
}

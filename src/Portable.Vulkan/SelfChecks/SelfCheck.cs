using System.Collections.Concurrent;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.SelfChecks;

/// <summary>
/// Proves every technique on a few problems the first time a device, driver and set of shaders is met, and times those that
/// are right; remembers what failed, so that a driver that computes wrongly loses that path and nothing else.
/// </summary>
internal static class SelfCheck
{
    private static readonly ConcurrentDictionary<string, Lazy<SelfCheckResult>> Results = new();

    /// <summary>The result for a device: read or made once in a process.</summary>
    public static SelfCheckResult Of(VulkanContext gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return Results.GetOrAdd(SelfCheckResult.KeyOf(gpu.Facts), _ => new Lazy<SelfCheckResult>(() => Load(gpu))).Value;
    }

    /// <summary>Runs the check, or reads an earlier one's result.</summary>
    public static SelfCheckResult Load(VulkanContext gpu)
    {
        if (SelfCheckResult.TryRead(gpu.Facts) is { } known)
        {
            return known;
        }

        SelfCheckResult check = Timed(gpu, Run(gpu));
        check.Save(gpu.Facts);
        return check;
    }

    /// <summary>Takes the first times of a device whose kernels are proved: of its techniques, and of the plans of a single row's decode step.</summary>
    public static SelfCheckResult Timed(VulkanContext gpu, SelfCheckResult check)
    {
        SelfCheckResult timed = TechniqueTimes.Measure(gpu, check, out bool slow);
        return FusedProductCheck.Measure(gpu, timed, slow);
    }

    // The likeliest kernel, and the likeliest of those whose workgroups share outputs.
    private static IEnumerable<MatmulPlan> Proved(MatmulTechnique technique, VulkanDeviceFacts device, MatmulProblem problem) =>
        technique.Candidates(device, problem).GroupBy(k => k.Proof).Select(k => k.First()).OrderBy(k => k.Splits);

    /// <summary>Runs the check now.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="report">Told of every kernel before it runs: a driver that does not come back is told with it.</param>
    public static SelfCheckResult Run(VulkanContext gpu, Action<string>? report = null)
    {
        var failures = new Dictionary<string, string>();
        (int M, int N, int K, int Group, CodeFormat W, CodeFormat A)[] problems =
        [
            (5, 70, 512, 0, new CodeFormat(6, true), new CodeFormat(8, true)),
            (9, 70, 384, 128, new CodeFormat(5, false), new CodeFormat(8, false)),
        ];
        foreach (var p in problems)
        {
            (QuantizedLinear linear, QuantizedActivations x) = SyntheticMatmul.Random(p.M, p.N, p.K, p.Group, p.W, p.A, 1);
            float[] expected = new float[p.M * p.N];
            BitMatmul.Multiply(x, linear, expected, p.N);
            using GpuLinear weights = GpuLinear.Upload(gpu, [linear]);
            using GpuActivations activations = GpuActivations.Upload(gpu, x);
            using GpuBuffer y = gpu.Allocate(4L * expected.Length);
            MatmulProblem problem = weights.Problem(p.M);
            MatmulPlan[] kernels = [.. MatmulTechniques.Supported(gpu.Facts, problem).SelectMany(t => Proved(t, gpu.Facts, problem)).Where(k => !failures.ContainsKey(k.Proof))];
            gpu.BuildAhead(kernels.Select(k => (Action)(() => k.Prepare(gpu, problem))));
            foreach (MatmulPlan kernel in kernels)
            {
                if (failures.ContainsKey(kernel.Technique))
                {
                    continue;
                }

                report?.Invoke($"checking kernels ({kernel.Label})");
                try
                {
                    gpu.Run(r => r.Fill(y, 0, y.Size, uint.MaxValue));
                    gpu.Run(r => kernel.Record(gpu, r, weights, problem, activations.Addresses, y.Address, p.N));
                    float[] got = new float[expected.Length];
                    gpu.Download<float>(y, got);
                    int wrong = ResultBits.Wrong(expected, got);
                    if (wrong > 0)
                    {
                        failures[kernel.Proof] = $"{wrong} of {got.Length} results of {kernel.Label} are wrong ({p.W} weights, {p.A} activations)";
                    }
                }
                catch (VulkanException e)
                {
                    failures[kernel.Proof] = e.Message;
                }
            }
        }

        // A software device attends without matrices.
        if (gpu.Facts.Kind != VulkanDeviceKind.Cpu)
        {
            foreach ((string shader, string failure) in AttentionCheck.Run(gpu, report))
            {
                failures[shader] = failure;
            }
        }

        return new SelfCheckResult(failures);
    }
}

using System.Text.Json;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.SelfChecks;

/// <summary>
/// Proves every technique on a few problems the first time a device, driver and set of shaders is met, and times those that
/// are right; remembers what failed, so that a driver that computes wrongly loses that path and nothing else.
/// </summary>
/// <param name="Failures">Failed techniques and why.</param>
public sealed record SelfCheck(IReadOnlyDictionary<string, string> Failures)
{
    /// <summary>By technique and class of M: how much longer it takes than estimated, relative to the others (<see cref="FirstTimes"/>).</summary>
    public IReadOnlyDictionary<string, double> Slowness { get; init; } = new Dictionary<string, double>();

    /// <summary>A technique's time on this device, in the dispatcher's estimates' units.</summary>
    internal double Estimate(MatmulTechnique technique, VulkanDeviceFacts device, MatmulProblem problem) =>
        technique.Estimate(device, problem) * Slowness.GetValueOrDefault($"{technique.Name} {FirstTimes.ClassOf(problem.M)}", 1);

    /// <summary>A line for each technique that failed.</summary>
    /// <param name="device">What the lines call the device.</param>
    public IEnumerable<string> Messages(string device) =>
        Failures.Select(f => $"{device} does without its kernel '{f.Key}', which failed the self-check: {f.Value}");

    /// <summary>Runs the check, or reads an earlier one's result.</summary>
    public static SelfCheck Load(VulkanContext gpu)
    {
        if (TryRead(gpu.Facts) is { } known)
        {
            return known;
        }

        SelfCheck check = Run(gpu);
        check = check with { Slowness = FirstTimes.Measure(gpu, [.. check.Failures.Keys]) };
        check.Save(gpu.Facts);
        return check;
    }

    /// <summary>Keeps the result for later processes, where it can be written.</summary>
    public void Save(VulkanDeviceFacts device) => UserCache.TryWrite(PathOf(device), JsonSerializer.SerializeToUtf8Bytes(this));

    /// <summary>The result of an earlier check, or null.</summary>
    public static SelfCheck? TryRead(VulkanDeviceFacts device)
    {
        if (UserCache.TryRead(PathOf(device)) is { } data)
        {
            try
            {
                return JsonSerializer.Deserialize<SelfCheck>(data) is { Failures: not null, Slowness: not null } check ? check : null;
            }
            catch (JsonException)
            {
                // Damaged: check again.
            }
        }

        return null;
    }

    /// <summary>What a check belongs to: device, driver, shaders, and the masked features.</summary>
    public static string KeyOf(VulkanDeviceFacts device) => $"{device.Key}|{ShaderLibrary.Hash}|{device.CooperativeMatrix}{device.DotProduct}";

    /// <summary>Runs the check now.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="broken">A technique whose shader is broken on purpose, or null.</param>
    public static SelfCheck Run(VulkanContext gpu, string? broken = null)
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
            foreach (MatmulTechnique technique in MatmulTechniques.Supported(gpu.Facts, problem).Where(t => !failures.ContainsKey(t.Name)))
            {
                try
                {
                    VulkanKernel kernel = technique.Candidates(gpu.Facts, problem).First();
                    gpu.Run(r => kernel.Record(gpu, r, weights, problem, activations.Addresses, y.Address, p.N, broken == technique.Name));
                    float[] got = new float[expected.Length];
                    gpu.Download<float>(y, got);
                    int wrong = expected.Zip(got).Count(v => BitConverter.SingleToInt32Bits(v.First) != BitConverter.SingleToInt32Bits(v.Second));
                    if (wrong > 0)
                    {
                        failures[technique.Name] = $"{wrong} of {got.Length} results of {kernel.Label} are wrong ({p.W} weights, {p.A} activations)";
                    }
                }
                catch (VulkanException e)
                {
                    failures[technique.Name] = e.Message;
                }
            }
        }

        // A software device attends without matrices.
        if (gpu.Facts.Kind != VulkanDeviceKind.Cpu && AttentionCheck.Run(gpu) is { } wrongAttention)
        {
            failures[wrongAttention.Shader] = wrongAttention.Failure;
        }

        return new SelfCheck(failures);
    }

    private static string PathOf(VulkanDeviceFacts device) => UserCache.PathOf("checked", KeyOf(device)) + ".json";
}

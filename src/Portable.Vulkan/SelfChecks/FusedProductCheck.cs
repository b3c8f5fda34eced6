using System.Diagnostics;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.SelfChecks;

/// <summary>
/// Proves products that prepare their own row and finish with the activation (shaders/matmul/gemv.comp) against those that do not, on
/// MLPs one behind the other, and times both: a device takes them where they are right and faster. The same again for dispatches that wait for
/// one another without barriers (shaders/include/links.glsl).
/// </summary>
internal static class FusedProductCheck
{
    /// <summary>The shader that is proved.</summary>
    public const string ShaderName = "gemv";

    private const int Large = 4096, Small = 512, Layers = 8, Rounds = 12;

    // Within the noise of one run is not faster.
    private const double Gain = 0.97;

    // The clock rises, and a slow device is not kept at it.
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(60), Most = TimeSpan.FromSeconds(1);

    /// <summary>Measures.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What is known of it.</param>
    /// <param name="slow">Whether the device is too slow for layers of a large model: it is shown to be right on small ones.</param>
    /// <returns>The same with <see cref="SelfCheckResult.DecodePlan"/>, or with one more failure.</returns>
    public static SelfCheckResult Measure(VulkanContext gpu, SelfCheckResult check, bool slow)
    {
        // Every workgroup of a software device prepares the row on the same few cores.
        if (gpu.Facts.Kind == VulkanDeviceKind.Cpu || !gpu.Facts.DotProduct || check.Failures.ContainsKey("dot"))
        {
            return check;
        }

        try
        {
            int width = slow ? Small : Large;
            using Chain apart = new(gpu, check, width, DecodePlan.Apart), fused = new(gpu, check, width, DecodePlan.Fused);
            float[] expected = apart.Run();
            if (ResultBits.Wrong(expected, fused.Run()) is > 0 and var wrong)
            {
                return Failed(check, $"{wrong} of {width} results are wrong");
            }

            // Links that fail, are wrong, or were waited at in vain are left alone: barriers do the same.
            using Chain? linked = Linked(gpu, check, width, expected);
            Chain[] plans = linked is null ? [apart, fused] : [apart, fused, linked];
            long start = Stopwatch.GetTimestamp();
            TimeSpan[] times = [.. plans.Select(_ => TimeSpan.MaxValue)];
            TimeSpan took = TimeSpan.Zero;
            for (int round = 0; (round < Rounds || took < Least) && took < Most; round++, took = Stopwatch.GetElapsedTime(start))
            {
                for (int i = 0; i < plans.Length; i++)
                {
                    plans[i].Run();
                    times[i] = plans[i].Took < times[i] ? plans[i].Took : times[i];
                }
            }

            int best = 0;
            for (int i = 1; i < plans.Length; i++)
            {
                best = times[i] < Gain * times[best] && !plans[i].GaveUp ? i : best;
            }

            return check with { DecodePlan = (DecodePlan)best };
        }
        catch (VulkanException e)
        {
            return Failed(check, e.Message);
        }
    }

    private static Chain? Linked(VulkanContext gpu, SelfCheckResult check, int width, float[] expected)
    {
        Chain? linked = null;
        try
        {
            linked = new Chain(gpu, check, width, DecodePlan.Linked);
            if (ResultBits.Wrong(expected, linked.Run()) == 0 && !linked.GaveUp)
            {
                return linked;
            }
        }
        catch (VulkanException)
        {
        }

        linked?.Dispose();
        return null;
    }

    private static SelfCheckResult Failed(SelfCheckResult check, string reason) =>
        check with { Failures = new Dictionary<string, string>(check.Failures) { [ShaderName] = reason } };

    /// <summary>MLPs one behind the other on one row, by one of the plans.</summary>
    private sealed class Chain : IDisposable
    {
        private readonly VulkanExecutor _executor;
        private readonly Batch _batch = Batch.Consecutive([0], 0, false);
        private readonly float[] _row;
        private readonly DeviceActivation _x, _y;
        private readonly DeviceNorm _norm;
        private readonly DeviceLinear _up, _down;
        private readonly DeviceInput _normalized, _activated;

        public Chain(VulkanContext gpu, SelfCheckResult check, int width, DecodePlan plan)
        {
            _executor = new VulkanExecutor(gpu, check, false) { DecodePlan = plan };
            _row = new float[width];
            LinearWeights up = Layer("up", 2 * width, width, 1), down = Layer("down", width, width, 2);
            Random random = new(3);
            _norm = _executor.Upload(new NormWeights([.. Enumerable.Range(0, width).Select(_ => random.NextSingle() + 0.5f)], null), 1e-5f);
            (_up, _down) = (_executor.Upload([up]), _executor.Upload([down]));
            (_x, _y) = (_executor.CreateActivation(width), _executor.CreateActivation(2 * width));
            (_normalized, _activated) = (_executor.CreateInput(InputSpec.Of(up, width)), _executor.CreateInput(InputSpec.Of(down, width)));
        }

        public TimeSpan Took => _executor.DeviceWait;

        /// <summary>Whether links were waited at in vain.</summary>
        public bool GaveUp => _executor.GaveUpLinks;

        public float[] Run()
        {
            Random random = new(4);
            for (int i = 0; i < _row.Length; i++)
            {
                _row[i] = random.NextSingle() - 0.5f;
            }

            _executor.Begin(_batch);
            _executor.Write(_x, _row);
            for (int layer = 0; layer < Layers; layer++)
            {
                _executor.Normalize(_x, _norm, [_normalized]);
                _executor.Linear(_normalized, _up, _y, 0);
                _executor.Gate(_y, ActivationKind.Silu, [_activated]);
                _executor.LinearResidual(_activated, _down, _x);
            }

            _executor.End();
            _executor.Read(_x, _row);
            return [.. _row];
        }

        public void Dispose() => _executor.Dispose();

        private static LinearWeights Layer(string name, int rows, int columns, int seed)
        {
            (QuantizedLinear linear, _) = SyntheticMatmul.Random(1, rows, columns, 0, new CodeFormat(4, true), new CodeFormat(8, true), seed);
            return new LinearWeights { Name = name, Quantized = linear };
        }
    }
}

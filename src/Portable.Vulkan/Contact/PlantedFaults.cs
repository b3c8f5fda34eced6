using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Contact;

/// <summary>Faults that tests plant in a first check, to see that it finds them.</summary>
internal static class PlantedFaults
{
    /// <summary>Plants a fault.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="name"><c>attention</c> or <c>norm</c>: wrong there and nowhere else; <c>hang</c>: a kernel that does not end; <c>crash</c>: the process ends as a driver's bug would end it.</param>
    public static void Plant(VulkanContext gpu, string name)
    {
        switch (name)
        {
            case "attention" or "norm":
                gpu.Faults = new FaultInjection { Plant = name == "norm" ? WrongNorm : WrongAttention };
                break;
            case "hang":
                using (GpuBuffer sink = gpu.Allocate(256))
                {
                    PeakShader endless = new() { Workgroup = 64, Kind = PeakKind.DotProducts, Chains = 8 };
                    gpu.Run(r => r.Dispatch(endless, new PeakPush(sink.Address, uint.MaxValue, 3), 64));
                }

                break;
            case "crash":
                Environment.FailFast("planted");
                break;
            default:
                throw new ArgumentException($"There is no fault '{name}' to plant.", nameof(name));
        }
    }

    private static Shader WrongNorm(Shader shader) => shader switch
    {
        PrepareShader { Source: PrepareSource.RmsNorm } p => p with { Source = PrepareSource.Copy },
        PrepareShader { Source: PrepareSource.LayerNorm } p => p with { Source = PrepareSource.RmsNorm },
        _ => shader,
    };

    private static Shader WrongAttention(Shader shader) => shader switch
    {
        AttentionTileShader a => a with { Attention = Wrong(a.Attention) },
        DecodeShader a => a with { Attention = Wrong(a.Attention) },
        _ => shader,
    };

    private static AttentionConstants Wrong(AttentionConstants constants) => constants with { ScoreScale = constants.ScoreScale * 1.5f };
}

using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Models;
using Portable.Quantization;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Tests.Support;

/// <summary>A model whose blocks are changed on the way.</summary>
internal class WrappedModel(IModelSource model) : IModelSource
{
    public ModelConfig Config => model.Config;

    public virtual int KeyValueBits => model.KeyValueBits;

    public virtual TableWeights LoadEmbedding() => model.LoadEmbedding();

    public virtual FloatTable? LoadPositions() => model.LoadPositions();

    public virtual BlockWeights LoadBlock(int index) => model.LoadBlock(index);

    public NormWeights LoadFinalNorm() => model.LoadFinalNorm();

    public virtual TableWeights? LoadHead() => model.LoadHead();

    public void Dispose()
    {
    }
}

/// <summary>A model whose second block's last linear overflows f32.</summary>
internal sealed class OverflowingModel(IModelSource model) : WrappedModel(model)
{
    public override BlockWeights LoadBlock(int index)
    {
        BlockWeights block = base.LoadBlock(index);
        return index == 1 ? block.MapLinears((slot, linear) => slot == BlockSlot.Down ? RescaledModel.Scale(linear, (_, _) => 1e38f) : linear) : block;
    }
}

/// <summary>
/// A rescaling that keeps the float model: (a) the gains of a few norm channels ×32 and the weight columns that read them ÷32, or
/// (b) a few rows of up ×16 and the columns of down ÷16. Powers of two, so that no weight is rounded.
/// </summary>
internal sealed class RescaledModel(IModelSource model, bool rows, int every = 23) : WrappedModel(model)
{
    public override BlockWeights LoadBlock(int index)
    {
        BlockWeights block = base.LoadBlock(index);
        if (rows)
        {
            return block.MapLinears((slot, linear) => slot switch
            {
                BlockSlot.Up => Scale(linear, (n, _) => Chosen(n) ? 16 : 1),
                BlockSlot.Down => Scale(linear, (_, k) => Chosen(k) ? 1f / 16 : 1),
                _ => linear,
            });
        }

        return block.MapNorms((_, norm) => Gains(norm)).MapLinears((slot, linear) =>
            BlockInputs.Of(slot) is BlockInput.Attention or BlockInput.Mlp ? Scale(linear, (_, k) => Chosen(k) ? 1f / 32 : 1) : linear);
    }

    private bool Chosen(int channel) => channel % every == 5;

    private NormWeights Gains(NormWeights norm) => norm with { Gain = [.. norm.Gain.Select((g, k) => Chosen(k) ? g * 32 : g)] };

    internal static LinearWeights Scale(LinearWeights linear, Func<int, int, float> factor)
    {
        float[] weights = linear.ReadWeights();
        int columns = linear.InputFeatures();
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] *= factor(i / columns, i % columns);
        }

        return linear with { Float = new FloatTable(linear.OutputFeatures, columns, ElementType.Float32, MemoryMarshal.AsBytes(weights.AsSpan()).ToArray()) };
    }
}

/// <summary>Round to nearest at 8 bits with one scale per tensor: weights, and activations by a fixed scale from calibration where there is one, else per token.</summary>
internal sealed class PerTensorModel(IModelSource model, CalibrationSet? calibration = null) : WrappedModel(model)
{
    private readonly Dictionary<string, float> _maxima = calibration is null ? [] : Observe(model, calibration);

    public override int KeyValueBits => 16;

    public override BlockWeights LoadBlock(int index) => base.LoadBlock(index).MapLinears(linear =>
    {
        float[] weights = linear.ReadWeights();
        GroupLayout layout = new(linear.InputFeatures());
        WeightCodes codes = new(linear.OutputFeatures, layout, new CodeFormat(8, signed: true), WeightCodes.FindGrids(weights, linear.OutputFeatures, layout, WeightGranularity.Tensor, v => WeightGrid.Symmetric(v, 8)));
        codes.Round(weights);
        QuantizationScheme scheme = QuantizationScheme.Parse("W8A8");
        ActivationQuantizer input = _maxima.TryGetValue(linear.Name, out float largest)
            ? new(new CodeFormat(8, signed: true), ActivationMode.Static, 0, largest / 127)
            : RoundToNearest.PerToken(scheme);
        return linear.WithQuantized(codes.ToLinear(linear.Bias, input), scheme);
    });

    private static Dictionary<string, float> Observe(IModelSource model, CalibrationSet calibration)
    {
        Dictionary<string, float> maxima = [];
        using StreamStorage storage = new(Path.GetTempPath());
        using BlockStream stream = new(model, calibration.Windows, 32, storage);
        for (int layer = 0; layer < model.Config.Layers; layer++)
        {
            BlockWeights block = model.LoadBlock(layer);
            stream.Advance(block, (input, values, _) =>
            {
                float largest = System.Numerics.Tensors.TensorPrimitives.MaxMagnitude(values);
                foreach (LinearWeights linear in block.Reading(input))
                {
                    maxima[linear.Name] = MathF.Max(maxima.GetValueOrDefault(linear.Name), MathF.Abs(largest));
                }
            });
        }

        return maxima;
    }
}

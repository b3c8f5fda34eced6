using System.Text.Json.Nodes;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Quantization.Runs;
using Portable.Models.Architectures;
using Portable.Quantization;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Tests.Checkpoints;

/// <summary>Blocks of the right shapes with random codes, scales and zero points: the format does not care what they mean.</summary>
internal static class RandomQuantizedBlocks
{
    public static CheckpointHeader Header(string source, string scheme, int seed = 0, int version = PortableFormat.NewestVersion) => new()
    {
        Version = version,
        Source = source,
        Method = "random",
        Scheme = QuantizationScheme.Parse(scheme),
        Options = new JsonObject { ["seed"] = seed },
    };

    /// <summary>Quantizes a checkpoint whole.</summary>
    public static void Write(TinyCheckpoint checkpoint, string output, string scheme, int seed = 0, bool overwrite = false, int version = PortableFormat.NewestVersion)
    {
        using PortableCheckpointWriter writer = PortableCheckpointWriter.Open(output, Header(checkpoint.Directory, scheme, seed, version), overwrite);
        WriteMissing(checkpoint, writer, scheme, seed);
        writer.Finish(new JsonObject { ["note"] = "random" });
    }

    /// <summary>Writes what a run has not yet written.</summary>
    public static void WriteMissing(TinyCheckpoint checkpoint, PortableCheckpointWriter writer, string scheme, int seed = 0, int stopBefore = int.MaxValue)
    {
        using IModelSource source = Checkpoint.Open(checkpoint.Directory);
        for (int i = 0; i < Math.Min(checkpoint.Layers, stopBefore); i++)
        {
            if (!writer.IsBlockFinished(i))
            {
                (BlockWeights block, List<LayerReport> reports) = Block(source, i, scheme, seed);
                writer.WriteBlock(i, block, reports, source.LoadEmbedding().Float!.Type);
            }
        }

        if (stopBefore > checkpoint.Layers && !writer.AreTablesFinished)
        {
            (ModelTables tables, IReadOnlyList<LayerReport> reports) = ModelTables.Of(source).Quantized(new ModelNames(source.Config), QuantizationScheme.Parse(scheme), ScaleFormat.Half);
            writer.WriteTables(tables, reports);
        }
    }

    public static (BlockWeights Block, List<LayerReport> Reports) Block(IModelSource source, int index, string schemeText, int seed)
    {
        Random random = new((seed * 1000) + index);
        QuantizationScheme scheme = QuantizationScheme.Parse(schemeText).Layer;
        List<LayerReport> reports = [];
        BlockWeights block = source.LoadBlock(index).MapLinears(linear =>
        {
            reports.Add(new LayerReport(linear.Name, scheme.ToString(), random.NextDouble(), random.Next(2) == 0 ? null : random.NextDouble(), random.Next(2) == 0 ? new Dictionary<string, double>() : new Dictionary<string, double> { ["kl"] = random.NextDouble(), ["clipped"] = 3 }));
            return linear.WithQuantized(Linear(random, linear, scheme), scheme);
        });
        return (block, reports);
    }

    private static QuantizedLinear Linear(Random random, LinearWeights linear, QuantizationScheme scheme)
    {
        int kind = random.Next(3), n = linear.OutputFeatures, k = linear.InputFeatures();
        bool signed = kind == 0 && !scheme.Balanced && scheme.WeightBits > 1;
        CodeFormat format = scheme.Balanced ? scheme.WeightFormat : new CodeFormat(scheme.WeightBits, signed);
        ActivationQuantizer input = new(new CodeFormat(scheme.ActivationBits, signed: true), ActivationMode.Symmetric, scheme.ActivationGroupSize != 0 ? scheme.ActivationGroupSize : random.Next(2) * scheme.GroupSize);
        if (kind == 1 && scheme.ActivationBits <= 8)
        {
            input = new ActivationQuantizer(new CodeFormat(scheme.ActivationBits, signed: false), ActivationMode.Asymmetric, input.GroupSize);
        }
        else if (kind == 2 && scheme is { GroupSize: 0, ActivationGroupSize: 0 })
        {
            ColumnMap? map = null;
            if (random.Next(2) == 0)
            {
                int columns = k + random.Next(1, 20), source = k;
                map = new ColumnMap(Values(columns, () => random.Next(source)), Values(columns, () => random.Next(1000)), Values(columns, () => random.Next(input.Format.Maximum + 1)));
                k = columns;
            }

            input = input with { Mode = ActivationMode.Static, GroupSize = 0, StaticScale = (float)random.NextDouble() + 1e-3f, Map = map };
        }

        GroupLayout layout = GroupLayout.Cut(k, scheme.GroupSize, input.GroupSize);
        int scales = n * layout.Scales(scheme.GroupSize).Count;
        bool halves = random.Next(2) == 0;
        int largest = signed ? format.Maximum : scheme.LargestWeightCode;
        short[] codes = Values(n * k, () => (short)random.Next(format.Minimum, largest + 1));
        return new QuantizedLinear(
            BitPacking.Pack(codes, n, layout, format),
            Values(scales, () => halves ? WeightScales.FromHalf((ushort)random.Next(0x0400, 0x7C00)) : (float)Math.Exp(random.NextDouble() * 20 - 12)),
            signed || random.Next(3) == 0 ? null : Values(scales, () => (byte)random.Next(largest + 1)),
            linear.Bias,
            input,
            scheme.GroupSize);
    }

    private static T[] Values<T>(int count, Func<T> next)
    {
        T[] values = new T[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = next();
        }

        return values;
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portable.Quantization;

/// <summary>What training a block did. It holds a time, so it belongs to a run's report, never to the manifest.</summary>
/// <param name="Name">The block (model.layers.0).</param>
/// <param name="LossBefore">Mean loss before the first step.</param>
/// <param name="LossAfter">Mean loss over the same windows after the last.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record BlockTraining(string Name, double LossBefore, double LossAfter, int Steps, double Seconds)
{
    /// <summary>As the run's report and a resumed run's memory hold it.</summary>
    public JsonNode ToJson() => JsonSerializer.SerializeToNode(this, BlockTrainingJson.Default.BlockTraining)!;

    /// <summary>The inverse of <see cref="ToJson"/>.</summary>
    public static BlockTraining? FromJson(JsonNode? json) => json.Deserialize(BlockTrainingJson.Default.BlockTraining);
}

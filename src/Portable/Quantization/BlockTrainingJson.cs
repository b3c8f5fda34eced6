using System.Text.Json.Serialization;

namespace Portable.Quantization;

/// <summary>JSON of <see cref="BlockTraining"/>: names in snake case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(BlockTraining))]
internal sealed partial class BlockTrainingJson : JsonSerializerContext;

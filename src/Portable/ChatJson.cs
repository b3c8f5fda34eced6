using System.Text.Json.Serialization;

namespace Portable;

/// <summary>JSON of conversations, as chat templates and other tools have it.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<ChatTurn>))]
[JsonSerializable(typeof(List<ChatTurn>))]
internal sealed partial class ChatJson : JsonSerializerContext;

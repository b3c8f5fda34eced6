using System.Text.Json.Serialization;
using Portable.Verification;

namespace Portable.Cli.Verbs;

/// <summary>JSON shapes of the reports, generated at build time; names are snake case as the contract has them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CompareReport))]
[JsonSerializable(typeof(DecodeManyReport))]
[JsonSerializable(typeof(DecodeReport))]
[JsonSerializable(typeof(DemoReport))]
[JsonSerializable(typeof(DevicesReport))]
[JsonSerializable(typeof(GenerateReport))]
[JsonSerializable(typeof(InspectReport))]
[JsonSerializable(typeof(InspectVerification))]
[JsonSerializable(typeof(PerplexityReport))]
[JsonSerializable(typeof(TokenizeManyReport))]
[JsonSerializable(typeof(TokenizeReport))]
[JsonSerializable(typeof(VerificationReport))]
[JsonSerializable(typeof(MachineReport))]
[JsonSerializable(typeof(LogitsReport))]
[JsonSerializable(typeof(RenderedReport))]
[JsonSerializable(typeof(RenderedChatsReport))]
[JsonSerializable(typeof(ChatReport))]
[JsonSerializable(typeof(ServeReport))]
internal sealed partial class JsonReports : JsonSerializerContext;

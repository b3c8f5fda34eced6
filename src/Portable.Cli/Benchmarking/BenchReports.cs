using System.Text.Json.Serialization;

namespace Portable.Cli.Benchmarking;

/// <summary>JSON shapes of the benchmarks' reports, generated at build time; names are snake case as the contract has them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(BenchMatmulReport))]
[JsonSerializable(typeof(BenchModelReport))]
[JsonSerializable(typeof(BenchQuantizeReport))]
[JsonSerializable(typeof(BenchServeReport))]
[JsonSerializable(typeof(BenchTuneReport))]
[JsonSerializable(typeof(BenchPipelinesReport))]
[JsonSerializable(typeof(BenchProductsReport))]
internal sealed partial class BenchReports : JsonSerializerContext;

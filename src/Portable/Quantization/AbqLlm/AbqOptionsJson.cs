using System.Text.Json.Serialization;
using Portable.Reference.Algorithms.AbqLlm;

namespace Portable.Quantization.AbqLlm;

/// <summary>JSON of the training recipe in the manifest: names as in the code, choices as words.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(AbqOptions))]
internal sealed partial class AbqOptionsJson : JsonSerializerContext;

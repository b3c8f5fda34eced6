using System.Collections.Concurrent;
using System.Text.Json.Serialization;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>JSON of what is kept on disk about a device.</summary>
[JsonSerializable(typeof(SelfCheckResult))]
[JsonSerializable(typeof(ConcurrentDictionary<string, TunedTime[]>))]
internal sealed partial class SelectionJson : JsonSerializerContext;

using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Portable.Extensions.AI;

/// <summary>Functions as chat templates take them.</summary>
internal static class ToolDefinitions
{
    /// <summary>A JSON array of definitions, or null where there are none.</summary>
    /// <exception cref="NotSupportedException">A tool is no function.</exception>
    public static JsonElement? Of(IEnumerable<AITool>? tools)
    {
        AITool[] all = [.. tools ?? []];
        if (all.Length == 0)
        {
            return null;
        }

        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartArray();
            foreach (AITool tool in all)
            {
                if (tool is not AIFunctionDeclaration function)
                {
                    throw new NotSupportedException($"The tool {tool.Name} ({tool.GetType().Name}) is no function: a model on this machine has functions alone.");
                }

                writer.WriteStartObject();
                writer.WriteString("type", "function");
                writer.WriteStartObject("function");
                writer.WriteString("name", function.Name);
                writer.WriteString("description", function.Description);
                writer.WritePropertyName("parameters");
                function.JsonSchema.WriteTo(writer);
                writer.WriteEndObject();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }
}

using System.Text;
using System.Text.Json;
using Portable.Chat.Tools;
using Portable.Server.Http;
using Portable.Serving;

namespace Portable.Server.Api;

/// <summary>Writes a response and its events: items of output, numbered as they come.</summary>
internal sealed class ResponseWriter
{
    private readonly List<Action<Utf8JsonWriter>> _items = [];
    private readonly StringBuilder _text = new();
    private readonly Fields _request;
    private readonly string _id = Service.NewId("resp"), _message = Service.NewId("msg"), _model;
    private readonly string? _fingerprint;
    private readonly GenerationOptions _options;
    private readonly JsonElement? _tools;
    private readonly long _created = Service.Now;
    private int _number;
    private bool _open;

    public ResponseWriter(Fields request, string model, string? fingerprint, GenerationOptions options, JsonElement? tools) =>
        (_request, _model, _fingerprint, _options, _tools) = (request, model, fingerprint, options, tools);

    /// <summary>Adds text to the message that is being written, or starts one.</summary>
    public void AddText(string text)
    {
        _open |= text.Length > 0;
        _text.Append(text);
    }

    /// <summary>Adds a call.</summary>
    public void AddCall(ToolCall call)
    {
        Close();
        _items.Add(writer => WriteCall(writer, call, "completed"));
    }

    /// <summary>The whole response.</summary>
    public byte[] Response(Answer answer)
    {
        Close();
        return Json(writer => WriteResponse(writer, answer));
    }

    /// <summary>An event that carries the response; without an answer it is still under way.</summary>
    public byte[] Event(string type, Answer? answer)
    {
        Close();
        return EventOf(type, writer =>
        {
            writer.WritePropertyName("response");
            WriteResponse(writer, answer);
        });
    }

    /// <summary>Events of a piece of text.</summary>
    public IEnumerable<(string, byte[])> TextEvents(string text)
    {
        if (!_open)
        {
            yield return Of("response.output_item.added", w => Item(w, _items.Count, i => WriteMessage(i, null, _items.Count)));
            yield return Of("response.content_part.added", w => Part(w, string.Empty));
        }

        AddText(text);
        yield return Of("response.output_text.delta", w =>
        {
            Place(w);
            w.WriteString("delta", text);
            w.WriteStartArray("logprobs");
            w.WriteEndArray();
        });
    }

    /// <summary>Events of a call.</summary>
    public IEnumerable<(string, byte[])> CallEvents(ToolCall call)
    {
        foreach ((string, byte[]) each in CloseEvents())
        {
            yield return each;
        }

        int index = _items.Count;
        yield return Of("response.output_item.added", w => Item(w, index, i => WriteCall(i, call with { Arguments = string.Empty }, "in_progress")));
        foreach ((string type, string field) in ((string, string)[])[("response.function_call_arguments.delta", "delta"), ("response.function_call_arguments.done", "arguments")])
        {
            yield return Of(type, w =>
            {
                w.WriteString("item_id", "fc_" + call.Id);
                w.WriteNumber("output_index", index);
                w.WriteString(field, call.Arguments);
                if (field == "arguments")
                {
                    w.WriteString("name", call.Name);
                }
            });
        }

        AddCall(call);
        yield return Of("response.output_item.done", w => Item(w, index, i => WriteCall(i, call, "completed")));
    }

    /// <summary>Events that end the message that is being written, if one is.</summary>
    public IEnumerable<(string, byte[])> CloseEvents()
    {
        if (!_open)
        {
            yield break;
        }

        string text = _text.ToString();
        yield return Of("response.output_text.done", w =>
        {
            Place(w);
            w.WriteString("text", text);
            w.WriteStartArray("logprobs");
            w.WriteEndArray();
        });
        yield return Of("response.content_part.done", w => Part(w, text));
        yield return Of("response.output_item.done", w => Item(w, _items.Count, i => WriteMessage(i, text, _items.Count)));
        Close();
    }

    private void Close()
    {
        if (_open)
        {
            string text = _text.ToString();
            int index = _items.Count;
            _items.Add(writer => WriteMessage(writer, text, index));
            _text.Clear();
            _open = false;
        }
    }

    private (string, byte[]) Of(string type, Action<Utf8JsonWriter> write) => (type, EventOf(type, write));

    private byte[] EventOf(string type, Action<Utf8JsonWriter> write) => Json(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("type", type);
        writer.WriteNumber("sequence_number", _number++);
        write(writer);
        writer.WriteEndObject();
    });

    private static void Item(Utf8JsonWriter writer, int index, Action<Utf8JsonWriter> item)
    {
        writer.WriteNumber("output_index", index);
        writer.WritePropertyName("item");
        item(writer);
    }

    private void Place(Utf8JsonWriter writer)
    {
        writer.WriteString("item_id", $"{_message}-{_items.Count}");
        writer.WriteNumber("output_index", _items.Count);
        writer.WriteNumber("content_index", 0);
    }

    private void Part(Utf8JsonWriter writer, string text)
    {
        Place(writer);
        writer.WritePropertyName("part");
        WriteText(writer, text);
    }

    private void WriteMessage(Utf8JsonWriter writer, string? text, int index)
    {
        writer.WriteStartObject();
        writer.WriteString("type", "message");
        writer.WriteString("id", $"{_message}-{index}");
        writer.WriteString("status", text is null ? "in_progress" : "completed");
        writer.WriteString("role", "assistant");
        writer.WriteStartArray("content");
        if (text is not null)
        {
            WriteText(writer, text);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter writer, string text)
    {
        writer.WriteStartObject();
        writer.WriteString("type", "output_text");
        writer.WriteString("text", text);
        writer.WriteStartArray("annotations");
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter writer, ToolCall call, string status)
    {
        writer.WriteStartObject();
        writer.WriteString("type", "function_call");
        writer.WriteString("id", "fc_" + call.Id);
        writer.WriteString("call_id", call.Id);
        writer.WriteString("name", call.Name);
        writer.WriteString("arguments", call.Arguments);
        writer.WriteString("status", status);
        writer.WriteEndObject();
    }

    private void WriteResponse(Utf8JsonWriter writer, Answer? answer)
    {
        bool cut = answer?.End == AnswerEnd.Length;
        writer.WriteStartObject();
        writer.WriteString("id", _id);
        writer.WriteString("object", "response");
        writer.WriteNumber("created_at", _created);
        writer.WriteString("status", answer is null ? "in_progress" : cut ? "incomplete" : "completed");
        writer.WriteNull("error");
        if (cut)
        {
            writer.WriteStartObject("incomplete_details");
            writer.WriteString("reason", "max_output_tokens");
            writer.WriteEndObject();
        }
        else
        {
            writer.WriteNull("incomplete_details");
        }

        writer.WriteString("model", _model);
        writer.WriteString("system_fingerprint", _fingerprint);
        Echo(writer, "instructions");
        Echo(writer, "max_output_tokens");
        writer.WriteStartArray("output");
        _items.ForEach(item => item(writer));
        writer.WriteEndArray();
        writer.WriteBoolean("parallel_tool_calls", true);
        writer.WriteNull("previous_response_id");
        writer.WriteBoolean("store", false);
        writer.WriteNumber("temperature", _options.Temperature);
        writer.WriteNumber("top_p", _options.TopP);
        writer.WriteString("truncation", "disabled");
        writer.WritePropertyName("tools");
        if (_tools is not null && _request.Any("tools") is { } tools)
        {
            tools.WriteTo(writer);
        }
        else
        {
            writer.WriteStartArray();
            writer.WriteEndArray();
        }

        writer.WritePropertyName("tool_choice");
        if (_request.Any("tool_choice") is { } choice)
        {
            choice.WriteTo(writer);
        }
        else
        {
            writer.WriteStringValue("auto");
        }

        writer.WritePropertyName("metadata");
        if (_request.Any("metadata") is { } metadata)
        {
            metadata.WriteTo(writer);
        }
        else
        {
            writer.WriteStartObject();
            writer.WriteEndObject();
        }

        WriteUsage(writer, answer);
        writer.WriteEndObject();
    }

    private void Echo(Utf8JsonWriter writer, string name)
    {
        writer.WritePropertyName(name);
        if (_request.Any(name) is { } value)
        {
            value.WriteTo(writer);
        }
        else
        {
            writer.WriteNullValue();
        }
    }

    private static void WriteUsage(Utf8JsonWriter writer, Answer? answer)
    {
        if (answer is null)
        {
            writer.WriteNull("usage");
            return;
        }

        int prompt = answer.Request.Prompt.Length;
        writer.WriteStartObject("usage");
        writer.WriteNumber("input_tokens", prompt);
        writer.WriteStartObject("input_tokens_details");
        writer.WriteNumber("cached_tokens", answer.Reused);
        writer.WriteEndObject();
        writer.WriteNumber("output_tokens", answer.Made);
        writer.WriteStartObject("output_tokens_details");
        writer.WriteNumber("reasoning_tokens", 0);
        writer.WriteEndObject();
        writer.WriteNumber("total_tokens", prompt + answer.Made);
        writer.WriteEndObject();
    }

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Encoder = Wire.Plain.Options.Encoder }))
        {
            write(writer);
        }

        return stream.ToArray();
    }
}

using System.Text;
using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable.Chat.Templates;

/// <summary>The chat templates of a model directory, by name; most models have one, "default".</summary>
internal sealed class ChatTemplateFiles
{
    private const string Default = "default", ForTools = "tool_use";
    private const string ConfigName = "tokenizer_config.json", JinjaName = "chat_template.jinja", JsonName = "chat_template.json", More = "additional_chat_templates";
    private const long MaximumBytes = 4L * ChatTemplate.MaximumLength;

    private readonly Dictionary<string, (string File, string Source)> _sources = [];
    private readonly string _directory;

    private ChatTemplateFiles(string directory) => _directory = directory;

    /// <summary>
    /// Finds the templates: <c>chat_template.jinja</c> and <c>additional_chat_templates/NAME.jinja</c>; else <c>chat_template</c> of
    /// tokenizer_config.json (a text, or a list of names and texts); else <c>chat_template.json</c>.
    /// </summary>
    /// <exception cref="CheckpointException">A file is malformed.</exception>
    public static ChatTemplateFiles Read(string directory)
    {
        ChatTemplateFiles found = new(directory);
        found.AddFile(Default, Path.Combine(directory, JinjaName));
        string more = Path.Combine(directory, More);
        if (Directory.Exists(more))
        {
            foreach (string file in Directory.EnumerateFiles(more, "*.jinja").Order(StringComparer.Ordinal))
            {
                found.AddFile(Path.GetFileNameWithoutExtension(file), file);
            }
        }

        foreach (string name in (string[])[ConfigName, JsonName])
        {
            if (found._sources.Count == 0)
            {
                found.AddJson(Path.Combine(directory, name));
            }
        }

        return found;
    }

    /// <summary>The template to use: the one named; else, with tools, "tool_use" where there is one; else "default".</summary>
    /// <param name="name">A name, or null.</param>
    /// <param name="tools">Whether there are tools.</param>
    /// <exception cref="CheckpointException">There is none, or it cannot be read.</exception>
    public ChatTemplate Select(string? name, bool tools)
    {
        string wanted = name ?? (tools && _sources.ContainsKey(ForTools) ? ForTools : Default);
        if (!_sources.TryGetValue(wanted, out (string File, string Source) found))
        {
            throw new CheckpointException(_directory, _sources.Count == 0
                ? "no chat template (chat_template.jinja, tokenizer_config.json): a base model, which continues a text (generate) and holds no conversation"
                : $"no chat template named '{wanted}'; there is {string.Join(", ", _sources.Keys)}");
        }

        try
        {
            return ChatTemplate.Parse(found.Source);
        }
        catch (TemplateException failure)
        {
            throw new CheckpointException(found.File, $"the chat template cannot be read: {failure.Message}", inner: failure);
        }
    }

    private void AddFile(string name, string file)
    {
        if (File.Exists(file))
        {
            // A byte order mark is part of a template: the reference implementation feeds it to the model.
            _sources[name] = (file, Encoding.UTF8.GetString(Bytes(file)));
        }
    }

    private void AddJson(string file)
    {
        if (!File.Exists(file))
        {
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(JsonFile.Text(file, int.MaxValue));
            if (!document.RootElement.TryGetProperty("chat_template", out JsonElement template) || template.ValueKind == JsonValueKind.Null)
            {
                return;
            }

            if (template.ValueKind == JsonValueKind.String)
            {
                _sources[Default] = (file, template.GetString()!);
                return;
            }

            foreach (JsonElement entry in template.EnumerateArray())
            {
                _sources[entry.GetProperty("name").GetString()!] = (file, entry.GetProperty("template").GetString()!);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or ArgumentNullException)
        {
            throw new CheckpointException(file, "chat_template is neither a text nor a list of names and templates", inner: e);
        }
    }

    private static byte[] Bytes(string file)
    {
        try
        {
            return new FileInfo(file).Length <= MaximumBytes ? File.ReadAllBytes(file) : throw new CheckpointException(file, $"a chat template of more than {MaximumBytes >> 20} MiB");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(file, e.Message, inner: e);
        }
    }
}

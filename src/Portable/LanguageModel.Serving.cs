using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Portable.Chat.Templates;
using Portable.Chat.Tools;
using Portable.Checkpoints.Format;
using Portable.Generation;
using Portable.Generation.Constraints;
using Portable.Reference.Arithmetic;
using Portable.Serving;

namespace Portable;

/// <content>Many texts at once, for the packages that serve.</content>
public sealed partial class LanguageModel
{
    /// <summary>
    /// SHA-256 of all that an answer depends on beside the request: the manifest (which has the weights' hashes), tokenizer, templates
    /// and recommended options as they are in the directory, the version of the float contract, and the context. Null for a float
    /// model, whose bits differ from device to device.
    /// </summary>
    internal string? Fingerprint => field ??= FindFingerprint();

    /// <summary>Positions whose keys and values the cache holds, and those that it has room for.</summary>
    internal (long Held, long Room) CachedPositions => (_cache.HeldPositions, _cache.Positions);

    /// <summary>Continues token ids beside others' texts; queues where there is no room.</summary>
    /// <param name="prompt">Token ids as they are.</param>
    /// <param name="options">How.</param>
    /// <param name="adjust">What is asked beside: likelihoods, owner.</param>
    /// <param name="cancellation">Ends it between tokens.</param>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context, or an option is out of range.</exception>
    internal Answer Serve(int[] prompt, GenerationOptions options, Func<TextRequest, TextRequest>? adjust = null, CancellationToken cancellation = default)
    {
        TextRequest request = Request(prompt, Valid(options)) with { Continues = true };
        return Engine.Submit(adjust?.Invoke(request) ?? request, Tokenizer, cancellation);
    }

    /// <summary>Answers a conversation beside others' texts.</summary>
    /// <param name="turns">The conversation so far.</param>
    /// <param name="options">How; at most so many tokens as the context has room for.</param>
    /// <param name="chat">Tools, variables, template.</param>
    /// <param name="adjust">What is asked beside: likelihoods, owner.</param>
    /// <param name="cancellation">Ends it between tokens.</param>
    /// <exception cref="Checkpoints.CheckpointException">The model has no chat template.</exception>
    /// <exception cref="TemplateException">The template refuses these messages.</exception>
    /// <exception cref="ArgumentException">The conversation fills the context, or an option is out of range.</exception>
    internal ServedChat ServeChat(IEnumerable<ChatTurn> turns, GenerationOptions options, ChatTemplateOptions chat, Func<TextRequest, TextRequest>? adjust = null, CancellationToken cancellation = default)
    {
        options = Valid(options);
        ToolCallFormat format = chat.Tools is null ? ToolCallFormat.None : ToolCallFormat;
        int[] prompt = _chat.Value.Render(new ChatRequest(ChatTurn.Json(turns), chat.Tools, AddGenerationPrompt: true, chat.Variables), chat.Template, chat.TrustMessages).Ids;
        TextRequest request = Request(prompt, options) with { Ends = ChatEnd(), KeepSpecial = format != ToolCallFormat.None };
        return new ServedChat(Engine.Submit(adjust?.Invoke(request) ?? request, Tokenizer, cancellation), format);
    }

    /// <summary>An answer's shape over the model's tokens.</summary>
    internal TokenConstraint Shape(ByteProgram program) => new(program, _spellings.Value);

    /// <summary>The shape of answers that call functions.</summary>
    /// <param name="functions">Names and schemas of their arguments.</param>
    /// <param name="required">Whether a call must come, and nothing besides; else text may.</param>
    /// <param name="several">Whether more than one may come, where none is required.</param>
    /// <exception cref="ConstraintException">A schema is not supported.</exception>
    internal ByteProgram CallShape(IEnumerable<(string Name, JsonElement Parameters)> functions, bool required, bool several)
    {
        (string tag, string key, string close) = ToolCallFormat == ToolCallFormat.Tagged ? ("<tool_call>", "arguments", "\n</tool_call>") : (string.Empty, "parameters", string.Empty);
        string open = tag.Length > 0 ? tag + "\n" : tag;
        return JsonShape.OfCalls(
            [.. functions.Select(f => ($"{open}{{\"name\": \"{JsonEncodedText.Encode(f.Name, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\", \"{key}\": ", f.Parameters, $"}}{close}"))], required, several, tag);
    }

    /// <summary>How the model writes calls of functions.</summary>
    internal ToolCallFormat ToolCallFormat => _chat.Value.ToolCalls;

    /// <summary>Why the model is given no functions, for whoever refuses them; null where it takes them.</summary>
    internal string? ToolRefusal => ToolCallFormat == ToolCallFormat.None ? "The model's chat template takes no tools, or writes calls in a way that is not read." : null;

    private static TextRequest Request(int[] prompt, GenerationOptions options) => new()
    {
        Prompt = prompt,
        Sampling = options.Sampling,
        Choice = options.Choice,
        MaximumTokens = options.MaximumTokens,
        IgnoreEnd = options.IgnoreEnd,
        StopTexts = options.StopTexts,
    };

    private string? FindFingerprint()
    {
        string manifest = Path.Combine(Directory, PortableFormat.ManifestName);
        if (_source is not PortableCheckpoint || !File.Exists(manifest))
        {
            return null;
        }

        StringBuilder facts = new();
        facts.Append("contract ").Append(Contract.Version).Append("\ncontext ").Append(Context).Append('\n');
        string templates = Path.Combine(Directory, "additional_chat_templates");
        string[] folders = System.IO.Directory.Exists(templates) ? [Directory, templates] : [Directory];
        foreach (string file in folders.SelectMany(System.IO.Directory.EnumerateFiles).Where(IsText).Order(StringComparer.Ordinal))
        {
            using FileStream stream = File.OpenRead(file);
            facts.Append(Path.GetFileName(file)).Append(' ').Append(Convert.ToHexStringLower(SHA256.HashData(stream))).Append('\n');
        }

        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(facts.ToString())));

        static bool IsText(string file) => Path.GetExtension(file) is ".json" or ".jinja" or ".model" or ".txt";
    }
}

using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Portable.Generation.Constraints;
using Portable.Server.Http;
using Portable.Serving;
using Portable.Tokenizers;

namespace Portable.Server.Api;

/// <summary>/v1/completions: texts continued, with the likelihoods of the prompt where asked for (echo).</summary>
internal static class CompletionEndpoint
{
    /// <summary>Where it is.</summary>
    public const string Path = "/v1/completions";

    private const int MostPrompts = 128, DefaultTokens = 16;

    public static async Task AnswerAsync(HttpContext context, Service service)
    {
        Fields fields = new(await JsonBody.ReadAsync(context).ConfigureAwait(false));
        service.Accept(fields);
        fields.Refuse("suffix", "tools", "messages");
        int choices = SamplingFields.Choices(fields);
        if (fields.Integer("best_of", 1, 64) is { } best && best != choices)
        {
            throw new ApiException(400, "'best_of' other than 'n' is not supported.", "best_of", "unsupported_parameter");
        }

        int[][] prompts = Prompts(fields, service);
        bool echo = fields.Flag("echo") ?? false;
        int most = (int)(fields.Integer("max_tokens", 0, int.MaxValue) ?? DefaultTokens);
        if (most == 0 && !echo)
        {
            throw new ApiException(400, "'max_tokens' must be at least 1 without 'echo'.", "max_tokens", "invalid_value");
        }

        int? likeliest = (int?)fields.Integer("logprobs", 0, 20);
        GenerationOptions options = SamplingFields.Read(fields, service.Defaults, Math.Max(most, 1));
        (bool stream, bool usage) = SamplingFields.Streaming(fields);
        string owner = Access.OwnerOf(context);
        ByteProgram? shape = ShapeFields.Read(fields, null, service.Model);
        using CancellationTokenSource limit = service.Limit(context);
        List<Answer> answers = [];
        try
        {
            answers.AddRange(prompts.SelectMany(prompt => Enumerable.Range(0, choices), (prompt, choice) => service.Model.Serve(
                prompt, options with { Choice = choice }, r => r with { MaximumTokens = most, Owner = owner, Likeliest = likeliest, PromptLikelihoods = echo && likeliest is not null, Shape = shape is null ? null : service.Model.Shape(shape) }, limit.Token)));
            TextAnswer head = new(Service.NewId("cmpl"), "text_completion", Service.Now, service.Name, service.Model.Fingerprint, [], null);
            if (stream)
            {
                await StreamAsync(context, service, answers, head, echo, usage ? () => UsageOf(answers, choices) : null, limit.Token).ConfigureAwait(false);
            }
            else
            {
                TextChoice[] texts = await Task.WhenAll(answers.Select((answer, i) => ChoiceAsync(service, answer, i, echo, limit.Token))).ConfigureAwait(false);
                await Service.WriteAsync(context, head with { Choices = texts, Usage = UsageOf(answers, choices) }, Wire.Plain.TextAnswer).ConfigureAwait(false);
            }
        }
        finally
        {
            await limit.CancelAsync().ConfigureAwait(false);
            service.Telemetry.Count("text_completion", answers);
        }
    }

    private static Usage UsageOf(List<Answer> answers, int choices)
    {
        int prompt = answers.Where((_, i) => i % choices == 0).Sum(a => a.Request.Prompt.Length), made = answers.Sum(a => a.Made);
        return new Usage(prompt, made, prompt + made, new CachedTokens(answers.Where((_, i) => i % choices == 0).Sum(a => a.Reused)));
    }

    private static async Task<TextChoice> ChoiceAsync(Service service, Answer answer, int index, bool echo, CancellationToken cancellation)
    {
        StringBuilder text = new(Echo(service, answer, echo));
        Likelihoods likelihoods = new(service, answer, echo);
        await foreach (AnswerPiece piece in answer.Pieces.ReadAllAsync(cancellation).ConfigureAwait(false))
        {
            text.Append(piece.Text);
            likelihoods.Add(piece);
        }

        return new TextChoice(text.ToString(), index, likelihoods.Take(), Reason(answer));
    }

    private static async Task StreamAsync(HttpContext context, Service service, List<Answer> answers, TextAnswer head, bool echo, Func<Usage>? usage, CancellationToken cancellation)
    {
        using EventStream events = new(context);
        await answers[0].Pieces.WaitToReadAsync(cancellation).ConfigureAwait(false);
        await events.StartAsync().ConfigureAwait(false);
        await Task.WhenAll(answers.Select(async (answer, index) =>
        {
            Task Send(string text, TextLogprobs? logprobs, string? reason) =>
                events.SendAsync(head with { Choices = [new TextChoice(text, index, logprobs, reason)] }, Wire.Plain.TextAnswer);
            string start = Echo(service, answer, echo);
            Likelihoods likelihoods = new(service, answer, echo);
            await foreach (AnswerPiece piece in answer.Pieces.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                likelihoods.Add(piece);
                await Send(start + piece.Text, likelihoods.Take(), null).ConfigureAwait(false);
                start = string.Empty;
            }

            await Send(start, likelihoods.Take(), Reason(answer)).ConfigureAwait(false);
        })).ConfigureAwait(false);
        if (usage is not null)
        {
            await events.SendAsync(head with { Usage = usage() }, Wire.Plain.TextAnswer).ConfigureAwait(false);
        }

        await events.SendAsync("[DONE]"u8.ToArray()).ConfigureAwait(false);
    }

    private static string Echo(Service service, Answer answer, bool echo) => echo ? service.Model.Tokenizer.Decode(answer.Request.Prompt) : string.Empty;

    private static string Reason(Answer answer) => answer.End == AnswerEnd.Length ? "length" : "stop";

    // A text, several, token ids, or several lists of them.
    private static int[][] Prompts(Fields fields, Service service)
    {
        const string Wanted = "a string, or an array of strings, token ids or arrays of token ids";
        JsonElement prompt = fields.Any("prompt") ?? throw new ApiException(400, "'prompt' is needed.", "prompt", "missing_required_parameter");
        if (prompt.ValueKind == JsonValueKind.String)
        {
            return [service.Model.Encode(prompt.GetString()!)];
        }

        JsonElement[] items = fields.Array("prompt", Wanted)!;
        if (items.Length == 0)
        {
            throw new ApiException(400, "'prompt' is empty.", "prompt", "invalid_value");
        }

        if (items[0].ValueKind == JsonValueKind.Number)
        {
            return [Ids(items)];
        }

        return items.Length <= MostPrompts
            ? [.. items.Select(item => item.ValueKind == JsonValueKind.String ? service.Model.Encode(item.GetString()!)
                : item.ValueKind == JsonValueKind.Array ? Ids([.. item.EnumerateArray()])
                : throw Fields.Wrong("prompt", Wanted, item))]
            : throw new ApiException(400, $"'prompt' must be at most {MostPrompts} texts.", "prompt", "invalid_value");
    }

    private static int[] Ids(JsonElement[] items) =>
        [.. items.Select(i => i.ValueKind == JsonValueKind.Number && i.TryGetInt32(out int id) ? id : throw Fields.Wrong("prompt", "token ids, whole numbers", i))];

    /// <summary>Likelihoods of the tokens since they were taken last.</summary>
    private sealed class Likelihoods(Service service, Answer answer, bool echo)
    {
        private readonly List<string> _tokens = [];
        private readonly List<double?> _own = [];
        private readonly List<Dictionary<string, double>?> _likeliest = [];
        private readonly List<int> _offsets = [];
        private readonly Lazy<StreamingDecoder> _text = new(() => new StreamingDecoder(service.Model.Tokenizer, before: echo ? [] : answer.Request.Prompt));
        private bool _prompt = echo;
        private int _offset;

        public void Add(AnswerPiece piece)
        {
            AddPrompt();
            if (piece.Likelihood is { } likelihood)
            {
                Add(likelihood.Id, likelihood);
            }
        }

        public TextLogprobs? Take()
        {
            if (answer.Request.Likeliest is null)
            {
                return null;
            }

            AddPrompt();
            TextLogprobs taken = new([.. _tokens], [.. _own], [.. _likeliest], [.. _offsets]);
            _tokens.Clear();
            _own.Clear();
            _likeliest.Clear();
            _offsets.Clear();
            return taken;
        }

        // Known whole when the answer's first piece is, or its end.
        private void AddPrompt()
        {
            if (!_prompt || answer.Request.Likeliest is null)
            {
                return;
            }

            _prompt = false;
            Add(answer.Request.Prompt[0], null);
            foreach (TokenLikelihood likelihood in answer.PromptLikelihoods)
            {
                Add(likelihood.Id, likelihood);
            }
        }

        private void Add(int id, TokenLikelihood? likelihood)
        {
            string text = service.Spelling(id).Text;
            _tokens.Add(text);
            _own.Add(likelihood?.LogProbability);
            Dictionary<string, double>? likeliest = likelihood is null ? null : [];
            foreach ((int each, double probability) in likelihood?.Likeliest ?? [])
            {
                // Two tokens may be spelled alike: the likelier stands.
                likeliest!.TryAdd(service.Spelling(each).Text, probability);
            }

            _likeliest.Add(likeliest);
            _offsets.Add(_offset);
            // Where the next one begins in the text: in words that a token's own spelling may not have, such as a first space.
            _offset += _text.Value.Next(id).Length;
        }
    }
}

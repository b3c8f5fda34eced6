using System.CommandLine;
using System.Globalization;
using Portable.Checkpoints.Format;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Models;
using Portable.Reference.Threading;
using Portable.Server;
using Portable.Server.Http;

namespace Portable.Cli.Verbs;

/// <summary>What <c>portable serve --json</c> says once the model is loaded.</summary>
/// <param name="Url">Where the server listens.</param>
/// <param name="Model">What requests call the model.</param>
/// <param name="Device">The device that serves.</param>
/// <param name="Context">Tokens that a text can have.</param>
/// <param name="Parallel">Texts at once.</param>
/// <param name="CacheTokens">Tokens that the cache of all texts together has room for.</param>
/// <param name="SystemFingerprint">Equal fingerprint and equal request mean equal text; null for an unquantized model.</param>
internal sealed record ServeReport(string Url, string Model, string Device, int Context, int Parallel, long CacheTokens, string? SystemFingerprint);

/// <summary>Serves a model over HTTP.</summary>
internal sealed class ServeVerb : Verb
{
    private const string KeyVariable = "PORTABLE_API_KEY";
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly Option<string> _host = new("--host") { Description = "Address to listen on; beyond this machine a key is needed.", HelpName = "ADDRESS", DefaultValueFactory = _ => "127.0.0.1" };
    private readonly Option<int> _port = new("--port") { Description = "Port to listen on (0 = any that is free).", HelpName = "N", DefaultValueFactory = _ => 8080 };
    private readonly Option<int> _parallel = new("--parallel") { Description = "Texts at once; more wait.", HelpName = "N", DefaultValueFactory = _ => 8 };
    private readonly Option<int> _context = new("--context") { Description = "Tokens that a text can have (default: the model's, at most what memory allows).", HelpName = "N" };
    private readonly Option<int> _tokens = new("--cache-tokens") { Description = "Tokens that the cache of all texts together has room for, in pages of 64 (default: texts × context, at most what memory allows).", HelpName = "N" };
    private readonly Option<string> _key = new("--api-key") { Description = $"Key that requests must bear (others on the machine can read it here: better in {KeyVariable}, or a file).", HelpName = "KEY" };
    private readonly PathOption _keyFile = new("--api-key-file") { Description = "File of keys, one a line; prefixes are reused within one key.", HelpName = "FILE" };
    private readonly Option<string[]> _cors = new("--cors") { Description = "Origin whose pages may call (several).", HelpName = "ORIGIN" };
    private readonly Option<string> _otlp = new("--otlp") { Description = "Address of an OpenTelemetry collector that gets traces and metrics, such as http://127.0.0.1:4318 (default: as OTEL_EXPORTER_OTLP_ENDPOINT says).", HelpName = "URL" };
    private readonly Option<string> _device = DeviceOption.Create();
    private readonly SamplingArguments _sampling = new();

    /// <summary>Defines the verb.</summary>
    public ServeVerb()
        : base(
            "serve",
            "Serves a model over HTTP as OpenAI's protocol has it, with a page at /.",
            new Example("portable serve qwen3-w4", "on http://127.0.0.1:8080, for this machine alone"),
            new Example("portable serve qwen3-w4 --host 0.0.0.0 --api-key-file keys.txt --parallel 32 --device vulkan", "for others, on the GPU"))
    {
        foreach (Option option in (Option[])[_host, _port, _parallel, _context, _tokens, _key, _keyFile, _cors, _otlp, _device])
        {
            Options.Add(option);
        }

        _sampling.AddTo(this);
        Arguments.Add(_model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(_model)!;
        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        int asked = parsed.GetResult(_context) is { Implicit: false } ? OptionValues.AtLeast(parsed, _context, 2) : 0, tokens = parsed.GetResult(_tokens) is { Implicit: false } ? OptionValues.AtLeast(parsed, _tokens, 2) : 0, texts = OptionValues.AtLeast(parsed, _parallel, 1), threads = WorkerPool.Threads;
        ServerOptions options = new()
        {
            Host = parsed.GetValue(_host)!,
            Port = OptionValues.AtLeast(parsed, _port, 0) is <= 65535 and int number ? number : throw new UsageException("--port must be at most 65535"),
            Keys = Keys(parsed),
            Origins = parsed.GetValue(_cors) ?? [],
            Defaults = _sampling.Read(parsed, GenerationDefaults.Read(directory)),
            Messages = terminal.Message,
        };

        // Before anybody is told that the server listens.
        if (asked > 0 || tokens > 0 || parsed.GetResult(_parallel) is { Implicit: false })
        {
            using IModelSource source = Checkpoint.Open(directory);
            if (asked > source.Config.MaximumPositions)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"--context {asked:N0} is more than the model takes ({source.Config.ContextText})"));
            }

            // A GPU says itself that it is full.
            if (where == Device.Cpu)
            {
                ConversationRoom.RequireMemory(source, asked, texts, tokens);
            }
        }

        // A trailing separator is no part of the name.
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory)));
        using TelemetryExport? export = TelemetryExport.Start(parsed.GetValue(_otlp));
        return Serve(name, Open, options, texts, terminal, cancellation).GetAwaiter().GetResult();

        LanguageModel Open()
        {
            using WorkerPool pool = new(threads);
            using WorkerPool.Scope scope = pool.Use();
            return ConversationRoom.Open(directory, where, asked, texts, terminal, cancellation, tokens);
        }
    }

    private static async Task<int> Serve(string name, Func<LanguageModel> open, ServerOptions options, int texts, Terminal terminal, CancellationToken cancellation)
    {
        LanguageModel? opened = null;
        ModelServer server;
        try
        {
            server = await ModelServer.StartAsync(name, () => opened = open(), options, cancellation).ConfigureAwait(false);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Plain().TrimEnd('.') + (e is KeyNeededException ? $" (in {KeyVariable}, or --api-key-file)" : ""));
        }

        await using (server.ConfigureAwait(false))
        {
            terminal.Message($"listening on {server.Address}");
            await server.Ready.WaitAsync(cancellation).ConfigureAwait(false);
            ServeReport report = new(server.Address.ToString(), name, opened!.DeviceName, opened.Context, texts, opened.CachedPositions.Room, opened.Fingerprint);
            Report(report, terminal);
            await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
            terminal.Message("stopping: answers under way are finished (once more to end them)");
            await server.StopAsync().ConfigureAwait(false);
        }

        return ExitCode.Done;
    }

    // Who reads standard output may have left, or there is none: a server needs no more than its clients.
    private static void Report(ServeReport report, Terminal terminal)
    {
        if (!terminal.Json)
        {
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"serving {report.Model} on {report.Device}: {report.Parallel} texts at once, {report.Context:N0} tokens each, a cache of {report.CacheTokens:N0}"));
            terminal.Message(report.SystemFingerprint is { } print
                ? $"fingerprint {print}: equal fingerprint and equal request mean equal text"
                : "no fingerprint: an unquantized model's bits differ from device to device");
        }

        try
        {
            terminal.Result(report, JsonReports.Default.ServeReport, r => terminal.Line(r.Url));
        }
        catch (Exception e) when (e is IOException or ReaderLeftException)
        {
            terminal.Warning($"{ErrorLine.Of(e)}; the server goes on");
        }
    }

    private string[] Keys(ParseResult parsed)
    {
        if (parsed.GetValue(_keyFile) is { } file)
        {
            string[] keys = ModelFiles.ReadText(file).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            return keys.Length > 0 ? keys : throw new UsageException($"{_keyFile.Name}: {file} holds no key");
        }

        // A key that is given and empty is a mistake (a variable that is not set), and no wish to serve without one.
        return parsed.GetValue(_key) is { } given ? [given] : Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } set ? [set] : [];
    }
}

using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portable.Checkpoints;
using Portable.Server.Api;
using Portable.Server.Http;

namespace Portable.Server;

/// <summary>
/// A model behind OpenAI's protocol: /v1/models, /v1/chat/completions, /v1/responses, /v1/completions, /health, /metrics, and a page at /. Texts of
/// many clients run at once; each is the one that it would be alone.
/// </summary>
public sealed class ModelServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Service _service;

    private ModelServer(WebApplication app, Service service, Task ready, Uri address) => (_app, _service, Ready, Address) = (app, service, ready, address);

    /// <summary>Where the server listens.</summary>
    public Uri Address { get; }

    /// <summary>Ends when the model is loaded, or with why it cannot be; /health answers 503 until then.</summary>
    public Task Ready { get; }

    /// <summary>Listens, and loads the model meanwhile.</summary>
    /// <param name="name">What requests call the model.</param>
    /// <param name="open">Opens the model, on a thread of its own; the server closes it.</param>
    /// <param name="options">How it is served; null = on loopback, port 8080, without a key.</param>
    /// <param name="cancellation">Stops starting.</param>
    /// <exception cref="ArgumentException">An option is out of range: an address beyond loopback without a key, for one.</exception>
    /// <exception cref="IOException">The port is taken.</exception>
    public static async Task<ModelServer> StartAsync(string name, Func<LanguageModel> open, ServerOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(open);
        options ??= new ServerOptions();
        ArgumentNullException.ThrowIfNull(options.Host, nameof(ServerOptions.Host));
        ArgumentNullException.ThrowIfNull(options.Keys, nameof(ServerOptions.Keys));
        ArgumentNullException.ThrowIfNull(options.Origins, nameof(ServerOptions.Origins));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.Port, 65535u);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaximumBodyBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaximumWaiting, 1);
        options.Defaults?.Validate();
        Access access = new(options.Host, options.Keys, options.Origins);
        Service service = new(name, new ServiceSettings(options.MaximumWaiting, options.MaximumTime, options.Defaults));
        WebApplication app = Build(access, service, options);
        try
        {
            await app.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch
        {
            await app.DisposeAsync().ConfigureAwait(false);
            service.Dispose();
            throw;
        }

        Task ready = Task.Factory.StartNew(() => Load(service, open), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new ModelServer(app, service, ready, new Uri(address));
    }

    /// <summary>Takes no more requests, and waits for the answers under way.</summary>
    /// <param name="cancellation">Ends them, too.</param>
    public async Task StopAsync(CancellationToken cancellation = default)
    {
        using CancellationTokenRegistration registration = cancellation.Register(_service.Close);
        await _app.StopAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Ends what is under way, and closes the model.</summary>
    public async ValueTask DisposeAsync()
    {
        _service.Close();
        await _app.DisposeAsync().ConfigureAwait(false);
        await Ready.ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
        _service.Dispose();
    }

    private static void Load(Service service, Func<LanguageModel> open)
    {
        LanguageModel model = open();
        try
        {
            // The tokenizer and the fingerprint now, not at the first request.
            _ = model.Tokenizer.VocabularySize;
            _ = model.Fingerprint;
        }
        catch (CheckpointException)
        {
            model.Dispose();
            throw;
        }

        service.Open(model);
    }

    private static WebApplication Build(Access access, Service service, ServerOptions options)
    {
        // Nothing of the machine's configuration has a say: no settings file, no environment.
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ContentRootPath = AppContext.BaseDirectory, EnvironmentName = Environments.Production });
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, CallersLifetime>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.MaximumTime);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaximumBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.Listen(access.Address, options.Port);
        });
        WebApplication app = builder.Build();
        app.Use((context, next) => Guard(context, next, access, options.Messages));
        Map(app, service);
        return app;
    }

    private static void Map(WebApplication app, Service service)
    {
        Get("/", Page.WriteAsync);
        Get("/health", context => service.Loaded is null
            ? Service.WriteAsync(context, new HealthAnswer("loading"), Wire.Plain.HealthAnswer, 503)
            : Service.WriteAsync(context, new HealthAnswer("ok"), Wire.Plain.HealthAnswer));
        Get("/metrics", context =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            return context.Response.WriteAsync(service.Telemetry.Text(service.Loaded), context.RequestAborted);
        });
        Get("/v1/models", context => Service.WriteAsync(context, new ModelList("list", [service.Entry]), Wire.Plain.ModelList));
        Get("/v1/models/{id}", context => context.Request.RouteValues["id"] as string == service.Name
            ? Service.WriteAsync(context, service.Entry, Wire.Plain.ModelEntry)
            : throw new ApiException(404, $"There is no such model here; there is '{service.Name}'.", "model", "model_not_found"));
        app.MapPost("/v1/chat/completions", (RequestDelegate)(context => Measured(context, service, "chat", ChatEndpoint.AnswerAsync)));
        app.MapPost(ResponseEndpoint.Path, (RequestDelegate)(context => Measured(context, service, "chat", ResponseEndpoint.AnswerAsync)));
        app.MapPost(CompletionEndpoint.Path, (RequestDelegate)(context => Measured(context, service, "text_completion", CompletionEndpoint.AnswerAsync)));

        // Where a resource can be read its head can: the server sends no body behind it.
        void Get(string pattern, RequestDelegate answer) => app.MapMethods(pattern, [HttpMethods.Get, HttpMethods.Head], answer);
    }

    private static async Task Measured(HttpContext context, Service service, string operation, Func<HttpContext, Service, Task> answer)
    {
        long start = Stopwatch.GetTimestamp();
        using Activity? activity = service.Telemetry.Start(operation);
        int status = 200;
        try
        {
            await answer(context, service).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            status = Service.ErrorOf(e, context)?.Status ?? 499;
            activity?.SetStatus(ActivityStatusCode.Error).SetTag("error.type", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
            throw;
        }
        finally
        {
            service.Telemetry.Answered(operation, status, Stopwatch.GetElapsedTime(start));
        }
    }

    // Every answer is in the protocol's shape, whatever happens.
    private static async Task Guard(HttpContext context, RequestDelegate next, Access access, Action<string>? messages)
    {
        context.Response.Headers.XContentTypeOptions = "nosniff";
        try
        {
            if (!access.Admit(context))
            {
                return;
            }

            await next(context).ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: 404 or 405 })
            {
                throw context.Response.StatusCode == 404
                    ? new ApiException(404, $"There is nothing at {context.Request.Path}.", code: "not_found")
                    : new ApiException(405, $"{context.Request.Path} does not take {context.Request.Method}.", code: "method_not_allowed");
            }
        }
        catch (Exception e)
        {
            await RefuseAsync(context, e, messages).ConfigureAwait(false);
        }
    }

    private static async Task RefuseAsync(HttpContext context, Exception exception, Action<string>? messages)
    {
        if (Service.ErrorOf(exception, context) is not { } error)
        {
            return;
        }

        if (error.Status == 500)
        {
            messages?.Invoke($"{context.Request.Path}: {exception.GetType().Name}: {exception.Message}");
        }

        try
        {
            if (context.Response.HasStarted)
            {
                using EventStream events = new(context);
                await events.SendAsync(Service.Body(error), Wire.Plain.ErrorAnswer).ConfigureAwait(false);
                return;
            }

            if (error.Status is 429 or 503)
            {
                context.Response.Headers.RetryAfter = "1";
            }

            if (error.Status == 408)
            {
                context.Response.Headers.Connection = "close";
            }

            if (error.Status == 401)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
            }

            await Service.WriteAsync(context, Service.Body(error), Wire.Plain.ErrorAnswer, error.Status).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The client has left.
        }
    }

    /// <summary>Signals are the caller's.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

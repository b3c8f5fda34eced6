using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Portable.Cli.CommandLine;

namespace Portable.Cli.Verbs;

/// <summary>
/// Sends traces and metrics of a server to an OpenTelemetry collector (OTLP): to an address asked for, by HTTP and protobuf, or to where
/// OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, …_HEADERS, OTEL_METRIC_EXPORT_INTERVAL).
/// </summary>
internal sealed class TelemetryExport : IDisposable
{
    private const string Source = "Portable.Server", EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT", NameVariable = "OTEL_SERVICE_NAME";

    // As long as an exporter waits for its collector by default; disposing alone gives up after half of it.
    private const int LastSendingMilliseconds = 10_000;
    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;

    private TelemetryExport(TracerProvider traces, MeterProvider metrics) => (_traces, _metrics) = (traces, metrics);

    /// <summary>Starts to send, where an address is known; else null.</summary>
    /// <param name="asked">The collector's address, without a path of traces or metrics; null = as the variables say.</param>
    /// <exception cref="UsageException">It is no address of HTTP.</exception>
    public static TelemetryExport? Start(string? asked)
    {
        Uri? address = null;
        if (asked is not null)
        {
            address = Uri.TryCreate(asked, UriKind.Absolute, out Uri? parsed) && parsed.Scheme is "http" or "https" ? parsed
                : throw new UsageException($"--otlp must be an address such as http://127.0.0.1:4318, not '{asked}'");
        }
        else if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EndpointVariable)))
        {
            return null;
        }

        ResourceBuilder resource = ResourceBuilder.CreateDefault();
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(NameVariable)))
        {
            resource.AddService("portable", serviceVersion: typeof(LanguageModel).Assembly.GetName().Version?.ToString(3), autoGenerateServiceInstanceId: false);
        }

        return new TelemetryExport(
            Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(Source).AddOtlpExporter(options => To(options, address, "v1/traces")).Build(),
            Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(Source).AddOtlpExporter((options, _) => To(options, address, "v1/metrics")).Build());
    }

    /// <summary>Sends what is left, for 10 seconds each at most.</summary>
    public void Dispose()
    {
        _traces.Shutdown(LastSendingMilliseconds);
        _metrics.Shutdown(LastSendingMilliseconds);
        _traces.Dispose();
        _metrics.Dispose();
    }

    private static void To(OtlpExporterOptions options, Uri? address, string path)
    {
        if (address is not null)
        {
            (options.Endpoint, options.Protocol) = (new Uri(address.AbsoluteUri.TrimEnd('/') + "/" + path), OtlpExportProtocol.HttpProtobuf);
        }
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Model;

// proxy URL… : replicas of one model behind one address. Any replica gives the same text; the one that has seen a conversation's beginning
// starts its next turn sooner, so that requests that begin alike go to the same one for as long as it is healthy.
WebApplicationBuilder builder = WebApplication.CreateBuilder();
builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "models", ClusterId = "replicas", Match = new RouteMatch { Path = "{**all}" } }],
    [
        new ClusterConfig
        {
            ClusterId = "replicas",
            Destinations = args.ToDictionary(url => url, url => new DestinationConfig { Address = url }),
            HealthCheck = new HealthCheckConfig { Active = new ActiveHealthCheckConfig { Enabled = true, Path = "/health", Interval = TimeSpan.FromSeconds(10) } },
            HttpRequest = new Yarp.ReverseProxy.Forwarder.ForwarderRequestConfig { ActivityTimeout = TimeSpan.FromMinutes(30) },
        },
    ]);
WebApplication app = builder.Build();
app.MapReverseProxy(pipeline =>
{
    pipeline.Use(async (context, next) =>
    {
        IReverseProxyFeature proxy = context.GetReverseProxyFeature();
        if (proxy.AvailableDestinations.Count > 1 && HttpMethods.IsPost(context.Request.Method) && await BeginningAsync(context.Request) is { } beginning)
        {
            // Of all replicas the one with the largest hash together with the text: one that goes takes no other's conversations with it.
            proxy.AvailableDestinations = proxy.AvailableDestinations.MaxBy(d => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(d.DestinationId + "\n" + beginning))))!;
        }

        await next();
    });
    pipeline.UseLoadBalancing();
    pipeline.UsePassiveHealthChecks();
});
app.Run();

// What all turns of a conversation begin with: its first two messages (system and user), or the beginning of a prompt.
static async Task<string?> BeginningAsync(HttpRequest request)
{
    request.EnableBuffering(bufferThreshold: 4 << 20, bufferLimit: 4 << 20);
    try
    {
        using JsonDocument body = await JsonDocument.ParseAsync(request.Body);
        foreach (string field in (string[])["messages", "input", "prompt"])
        {
            if (body.RootElement.ValueKind == JsonValueKind.Object && body.RootElement.TryGetProperty(field, out JsonElement value))
            {
                return value.ValueKind == JsonValueKind.Array ? string.Concat(value.EnumerateArray().Take(2).Select(m => m.GetRawText())) : value.GetRawText()[..Math.Min(value.GetRawText().Length, 512)];
            }
        }

        return null;
    }
    catch (JsonException)
    {
        // The replica says what is wrong with it.
        return null;
    }
    finally
    {
        request.Body.Position = 0;
    }
}

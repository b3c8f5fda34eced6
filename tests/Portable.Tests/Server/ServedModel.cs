using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Portable.Reference.Quantization;
using Portable.Server;
using Portable.Tests.Support;

namespace Portable.Tests.Server;

/// <summary>The demo model, quantized, with a chat template that knows tools, served on a free port of loopback.</summary>
public sealed class ServedModel : IAsyncLifetime
{
    private readonly string _directory = System.IO.Directory.CreateTempSubdirectory("portable-server").FullName;
    private ModelServer? _server;

    public string Directory => Path.Combine(_directory, "tiny");

    public ModelServer Server => _server!;

    public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromMinutes(5) };

    internal LanguageModel Model { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Make(Directory);
        _server = await Start();
        await Server.Ready;
        Client.BaseAddress = Server.Address;
    }

    /// <summary>Makes the quantized model.</summary>
    public static void Make(string directory)
    {
        new Quantizer { Source = DemoModel.Directory, Method = QuantizationMethod.RoundToNearest, Scheme = QuantizationScheme.Parse("W4A8KV8"), Output = directory }.Run();
        File.Copy(Path.Combine(Repository.Root, "tests", "clients", "chat_template.jinja"), Path.Combine(directory, "chat_template.jinja"));
    }

    /// <summary>Starts another server of the model.</summary>
    public Task<ModelServer> Start(ServerOptions? options = null, int sequences = 4)
    {
        return ModelServer.StartAsync("tiny", Open, (options ?? new ServerOptions()) with { Port = 0 });
        LanguageModel Open()
        {
            LanguageModel model = LanguageModel.Open(Directory, Device.Cpu, new LanguageModelOptions { Context = 256, Sequences = sequences });
            Model ??= model;
            return model;
        }
    }

    public static StringContent Body(string json) => new(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));

    /// <summary>Posts JSON and reads JSON.</summary>
    public async Task<(int Status, JsonElement Json)> Post(string path, string json)
    {
        using HttpResponseMessage response = await Client.PostAsync(path, Body(json));
        string text = await response.Content.ReadAsStringAsync();
        using JsonDocument document = JsonDocument.Parse(text);
        return ((int)response.StatusCode, document.RootElement.Clone());
    }

    public async Task DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        System.IO.Directory.Delete(_directory, recursive: true);
    }
}

/// <summary>Tests of the server share one.</summary>
[CollectionDefinition("Server")]
public sealed class ServerCollection : ICollectionFixture<ServedModel>;

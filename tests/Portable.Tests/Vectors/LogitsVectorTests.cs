using System.Text.Json;
using Portable.Cli.Devices;
using Portable.Cli.Verbs;
using Portable.Tests.Support;

namespace Portable.Tests.Vectors;

/// <summary>Whole quantized models against frozen hashes of their logits: on every instruction tier the same bits.</summary>
public sealed class LogitsVectorTests
{
    private static readonly JsonElement[] Golden = [.. GoldenFile.Read("logits.json").EnumerateArray()];

    public static TheoryData<int, string> Cases
    {
        get
        {
            var cases = new TheoryData<int, string>();
            for (int i = 0; i < Golden.Length; i++)
            {
                cases.Add(i, "cpu");
                cases.Add(i, "vulkan");
            }

            return cases;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void LogitsHaveTheFrozenHash(int index, string device)
    {
        DeviceReport[] devices = [.. DeviceList.All().Where(d => d.Kind == device)];
        bool required = device == "cpu" || Environment.GetEnvironmentVariable("PORTABLE_REQUIRE_VULKAN") == "1";
        Skip.If(!required && !devices.Any(d => d.Usable), devices[0].Reason);
        JsonElement golden = Golden[index];
        string model = Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama"), folder = Directory.CreateTempSubdirectory("portable-vectors-").FullName;
        try
        {
            string output = Path.Combine(folder, "model"), method = golden.GetProperty("method").GetString()!, scheme = golden.GetProperty("scheme").GetString()!;
            Assert.Equal(0, ToolRun.Here("quantize", model, "--method", method, "--scheme", scheme, "--format", "1", "--grid", "minmax", "--output", output).Code);
            JsonElement json = ToolRun.Here("logits", output, "--ids", string.Join(',', golden.Integers("ids")), "--device", device, "--json").Json();
            Assert.StartsWith(device, json.GetProperty("device").GetString());
            Assert.Equal(golden.Integers("argmax"), json.Integers("argmax"));
            Assert.Equal(golden.GetProperty("hash").GetString(), json.GetProperty("hash").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

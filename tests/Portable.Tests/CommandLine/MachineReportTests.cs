using System.Text.Json;
using Portable.Cli.Devices;
using Portable.Cli.Verbs;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>The file that strangers attach to an issue: what it says, and what it must not say.</summary>
public sealed class MachineReportTests
{
    [Fact]
    public void TheFileSaysWhatWasRunAndWhereAndNamesNobody()
    {
        string folder = Directory.CreateTempSubdirectory("portable-report").FullName, file = Path.Combine(folder, "report.json");
        try
        {
            ToolRun run = ToolRun.Here("verify", "--device", "cpu", "--every", "2000", "--report", file);
            Assert.Equal(0, run.Code);
            string text = File.ReadAllText(file);
            JsonElement report = JsonDocument.Parse(text).RootElement;
            Assert.Equal(["version", "system", "architecture", "runtime", "devices", "every", "verification"], report.EnumerateObject().Select(p => p.Name));
            Assert.Equal(2000, report.GetProperty("every").GetInt32());
            Assert.Equal("cpu", report.GetProperty("devices")[0].GetProperty("name").GetString());
            Assert.Equal(64, report.GetProperty("verification").GetProperty("hash").GetString()!.Length);
            Assert.All(report.GetProperty("verification").GetProperty("targets").EnumerateArray(), t => Assert.NotEmpty(t.GetProperty("kernels").EnumerateArray()));
            foreach (string secret in new[] { folder, Environment.CurrentDirectory, AppContext.BaseDirectory, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + Path.DirectorySeparatorChar })
            {
                Assert.DoesNotContain(JsonEncodedText.Encode(secret).ToString(), text, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("its driver ended the process while checking kernels; remove /home/somebody/.cache/x.json to check it again", "its driver ended the process while checking kernels")]
    [InlineData("cannot start '/opt/secret project/run' here", "cannot start '(a path) project/run' here")]
    [InlineData(@"cannot start 'C:\Users\somebody\run.exe' here", "cannot start '(a path)' here")]
    [InlineData("3 of 5 results of dot 4x8x1 are wrong (s6/s8)", "3 of 5 results of dot 4x8x1 are wrong (s6/s8)")]
    public void PathsAreTakenOutOfWhatDevicesSay(string said, string written)
    {
        DeviceReport device = new("vulkan:0", "vulkan", "a device", Usable: false, said, []) { Note = said, FailedKernels = new Dictionary<string, string> { ["dot"] = said } };
        DeviceReport made = MachineReport.Public(device);
        Assert.All([made.Reason, made.Note, made.FailedKernels!["dot"]], text => Assert.Equal(written, text));
    }

    [Fact]
    public void FoldersOfTheUserAndNamesAreTakenOutWhole()
    {
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        DeviceReport made = MachineReport.Public(new("vulkan:0", "vulkan", "a device", Usable: false, $"no {Path.Combine(home, "run")} on {Environment.MachineName}", []));
        Assert.Equal("no (a path) on (a name)", made.Reason);
    }
}

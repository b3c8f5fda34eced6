using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>What people read: lines of tables fit 80 columns, and are drawn in ASCII where nothing else is known.</summary>
public sealed class TableTests : IDisposable
{
    private static readonly string Model = Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama");
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("portable-tables-");

    public void Dispose() => _work.Delete(recursive: true);

    [Fact]
    public void TablesFitEightyColumns()
    {
        string output = Path.Combine(_work.FullName, "out"), text = Path.Combine(_work.FullName, "text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 20).Select(i => $"The keeper counted {i * i} ships. ")));
        AssertFits("devices");
        AssertFits("quantize", Model, "--method", "flexq", "--scheme", "W6A6g128", "--calibration", text, "--samples", "2", "--context", "16", "--output", output);
        AssertFits("inspect", output);
        AssertFits("inspect", Model);
        AssertFits("bench", "matmul", "--shapes", "512x4096x14336", "--schemes", "W6A8g128,W2*A8", "--warm");
    }

    [Fact]
    public void InspectTellsMethodBitsAndErrors()
    {
        string output = Path.Combine(_work.FullName, "out");
        Assert.Equal(0, ToolRun.Here("quantize", Model, "--method", "rtn", "--scheme", "W4A8", "--output", output).Code);
        string people = ToolRun.Here("inspect", output).Output;
        Assert.Contains("rtn W4A8", people, StringComparison.Ordinal);
        Assert.Contains("bits per weight", people, StringComparison.Ordinal);
        System.Text.Json.JsonElement json = ToolRun.Here("inspect", output, "--json").Json();
        Assert.Equal("rtn", json.GetProperty("method").GetString());

        // Four bits of code; per row a scale of 32 bits and a zero point of 8 over 256 or 768 columns.
        Assert.InRange(json.GetProperty("bits_per_weight").GetDouble(), 4.05, 4.16);
        System.Text.Json.JsonElement[] types = [.. json.GetProperty("types").EnumerateArray()];
        Assert.Equal(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], types.Select(t => t.GetProperty("type").GetString()));
        Assert.All(types, t => Assert.InRange(t.GetProperty("error").GetDouble(), 0.02, 0.3));
        Assert.All(types, t => Assert.True(t.GetProperty("worst_error").GetDouble() >= t.GetProperty("error").GetDouble()));
        System.Text.Json.JsonElement plain = ToolRun.Here("inspect", Model, "--json").Json();
        Assert.Equal("float", plain.GetProperty("method").GetString());
        Assert.Equal(16, plain.GetProperty("bits_per_weight").GetDouble());
    }

    [Fact]
    public void BordersAreAsciiWithoutUtf8()
    {
        Assert.True(Draw(unicode: false).All(char.IsAscii));
        Assert.Contains('\u2500', Draw(unicode: true));
        Assert.Equal(Draw(unicode: true).Replace('\u2500', '-'), Draw(unicode: false));
    }

    [Theory]
    [InlineData("C", null, false)]
    [InlineData(null, "POSIX", false)]
    [InlineData(null, "de_DE.ISO-8859-1", false)]
    [InlineData("C", "en_US.UTF-8", false)]
    [InlineData(null, "C.UTF-8", true)]
    [InlineData(null, "en_US.utf8", true)]
    [InlineData("", "", true)]
    public void TheLocaleSaysWhatReadersKnow(string? all, string? lang, bool unicode) =>
        Assert.Equal(unicode, ReaderEncoding.IsUnicodeLocale(name => name switch { "LC_ALL" => all, "LANG" => lang, _ => null }));

    private static string Draw(bool unicode)
    {
        using StringWriter output = new();
        new Terminal(new Call { Output = output, Error = TextWriter.Null, Unicode = unicode }).Table(["layer", ">error"], [["a", "0.5"], ["bb", "12.5"]]);
        return output.ToString();
    }

    private static void AssertFits(params string[] args)
    {
        ToolRun run = ToolRun.Here(args);
        Assert.True(run.Code == 0, run.Error);
        string[] lines = run.Output.Split('\n');
        int rule = Array.FindIndex(lines, l => l.Contains('\u2500', StringComparison.Ordinal));
        Assert.True(rule > 0 || args[0] == "devices", run.Output);
        Assert.All(args[0] == "devices" ? lines : lines.Where((_, i) => i >= rule - 1), line => Assert.True(line.TrimEnd().Length <= 80, $"{line.Length}: {line}"));
    }
}

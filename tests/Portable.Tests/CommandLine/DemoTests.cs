using System.Text.Json;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary><c>portable</c> alone.</summary>
public sealed class DemoTests
{
    [SkippableFact]
    public void TheDemoShowsALearnedModelBesideTheRoundedOneAndTheBitsOfEach()
    {
        WideVectors.Require();
        JsonElement json = ToolRun.Here("--json").Json();
        Dictionary<string, JsonElement> rows = json.GetProperty("rows").EnumerateArray().ToDictionary(r => $"{r.GetProperty("method")} {r.GetProperty("scheme")}");
        double Perplexity(string row) => rows[row].GetProperty("perplexity").GetDouble();
        Assert.InRange(Perplexity("float f16"), 25.4, 25.6);
        Assert.InRange(Perplexity("abq W2*A8"), 1.1 * Perplexity("float f16"), 40);
        double Lost(string row) => Math.Log(Perplexity(row) / Perplexity("float f16"));
        Assert.True(Lost("rtn W2*A8") > 2 * Lost("abq W2*A8"));
        Assert.InRange(rows["abq W2*A8"].GetProperty("bytes").GetInt64(), 1, 1.02 * rows["rtn W2*A8"].GetProperty("bytes").GetInt64());
        Assert.All(rows.Values, r => Assert.True(r.GetProperty("tokens_per_second").GetDouble() > 0));
        Assert.All(rows.Where(r => r.Key != "float f16"), r => Assert.Equal(64, r.Value.GetProperty("hash").GetString()!.Length));
        Assert.Equal(rows.Count - 1, rows.Where(r => r.Key != "float f16").Select(r => r.Value.GetProperty("hash").GetString()).Distinct().Count());
        Assert.False(rows["float f16"].TryGetProperty("hash", out _));
        Assert.Equal(4088, json.GetProperty("predictions").GetInt64());
    }
}

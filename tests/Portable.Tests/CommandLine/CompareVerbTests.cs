using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Portable.Evaluation;
using Portable.Tests.Checkpoints;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>Two quantized checkpoints of the demo's model, one in a folder whose name is markup.</summary>
public sealed class ComparedCheckpoints : IDisposable
{
    public ComparedCheckpoints()
    {
        foreach ((string path, string scheme) in ((string, string)[])[(Fine, "W8A8"), (Coarse, "W3A8g128")])
        {
            ToolRun.Here("quantize", DemoModel.Directory, "--method", "rtn", "--scheme", scheme, "--output", path, "--json").Json();
        }
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("portable-compare-").FullName;

    public string Fine => Path.Combine(Folder, "w8");

    public string Coarse => Path.Combine(Folder, OperatingSystem.IsWindows() ? "w3 & 'x'" : "<b>w3</b> & 'x'");

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

/// <summary><c>portable compare</c> and the page that it writes.</summary>
public sealed partial class CompareVerbTests(ComparedCheckpoints made) : IClassFixture<ComparedCheckpoints>
{
    private static readonly string[] Few = ["--text", DemoModel.Text, "--context", "32", "--windows", "4"];

    [Fact]
    public void ARowAModelWithItsOwnPerplexity()
    {
        JsonElement json = ToolRun.Here(["compare", DemoModel.Directory, made.Fine, made.Coarse, .. Few, "--json"]).Json();
        JsonElement[] rows = [.. json.GetProperty("rows").EnumerateArray()];
        Assert.Equal([DemoModel.Directory, made.Fine, made.Coarse], rows.Select(r => r.GetProperty("model").GetString()));
        foreach (JsonElement row in rows)
        {
            double alone = ToolRun.Here(["perplexity", row.GetProperty("model").GetString()!, .. Few, "--json"]).Json().GetProperty("perplexity").GetDouble();
            Assert.Equal(alone, Number(row, "perplexity"), alone * 1e-9);
            Assert.Equal(Number(row, "perplexity") / Number(rows[0], "perplexity"), Number(row, "ratio"), 1e-9);
            Assert.InRange(Number(row, "kld_99"), Number(row, "kld"), 20);
        }

        Assert.Equal((0, 1, 1, 0, 16), (Number(rows[0], "kld"), Number(rows[0], "top1"), Number(rows[0], "ratio"), Number(rows[0], "ratio_error"), Number(rows[0], "bits_per_weight")));
        Assert.InRange(Number(rows[1], "kld"), 1e-6, Number(rows[2], "kld") / 10);
        Assert.InRange(Number(rows[2], "top1"), 0.3, Number(rows[1], "top1"));
        Assert.All(rows[1..], r => Assert.InRange(Number(r, "ratio_error"), 1e-6, 1));
        Assert.Equal((4, 124, 32, 0), (json.GetProperty("windows").GetInt32(), json.GetProperty("tokens").GetInt32(), json.GetProperty("context").GetInt32(), json.GetProperty("skip").GetInt32()));
        Assert.Equal(ToolRun.Here("inspect", made.Coarse, "--json").Json().GetProperty("bits_per_weight").GetDouble(), Number(rows[2], "bits_per_weight"), 1e-12);
    }

    [Fact]
    public void ModelsThatDoNotFitTogetherGiveTheSameRows()
    {
        Comparison comparison = new() { Reference = DemoModel.Directory, Models = [made.Fine, made.Coarse], Text = File.ReadAllText(DemoModel.Text), Context = 16, Windows = 2, Skip = 5 };
        List<string> said = [];
        ComparisonResult together = comparison.Run(), apart = (comparison with { Memory = 1 }).Run(messages: said.Add);
        Assert.Contains("runs 2 times", Assert.Single(said), StringComparison.Ordinal);
        Assert.Equal(20, apart.Predictions);
        Assert.Equal(together.Rows.Select(r => (r.Model, r.MeanDivergence, r.DivergenceError, r.Divergence99, r.SameTop, r.Perplexity, r.Ratio, r.RatioError)),
            apart.Rows.Select(r => (r.Model, r.MeanDivergence, r.DivergenceError, r.Divergence99, r.SameTop, r.Perplexity, r.Ratio, r.RatioError)));
    }

    [Fact]
    public void OneWindowHasNoStandardErrorAndAQuantizedReferenceIsSaid()
    {
        ToolRun run = ToolRun.Here("compare", made.Fine, made.Coarse, "--text", DemoModel.Text, "--context", "16", "--windows", "1", "--json");
        JsonElement row = run.Json().GetProperty("rows")[1];
        Assert.Equal((JsonValueKind.Null, JsonValueKind.Null), (row.GetProperty("ratio_error").ValueKind, row.GetProperty("kld_error").ValueKind));
        Assert.Contains("is quantized itself", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void ThePageIsOneFileOfEscapedText()
    {
        string page = Path.Combine(made.Folder, "page.html");
        ToolRun run = ToolRun.Here(["compare", DemoModel.Directory, made.Fine, made.Coarse, made.Coarse, .. Few, "--report", page]);
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains("124 predictions in 4 windows of 32", run.Output, StringComparison.Ordinal);
        string html = File.ReadAllText(page);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)<script|https?:|url\\(|@import|<link|<img|<iframe|\\son\\w+=|NaN", html);
        Assert.DoesNotContain("<b>", html, StringComparison.Ordinal);
        Assert.Contains(WebUtility.HtmlEncode(made.Coarse), html, StringComparison.Ordinal);
        Assert.Contains("portable compare", html, StringComparison.Ordinal);
        Assert.Contains("--windows 4", html, StringComparison.Ordinal);

        // Pictures are well-formed: a dot a model, and a line a type of layer and model; all tags are closed.
        XElement[] pictures = [.. Pictures().Matches(html).Select(m => XElement.Parse(m.Value))];
        Assert.Equal(4, pictures.Length);
        Assert.Equal(3, pictures[0].Descendants("circle").Count());
        Assert.All(pictures[1..], p => Assert.Equal(7, p.Descendants("polyline").Count()));
        XElement.Parse("<body>" + html[(html.IndexOf("<body>", StringComparison.Ordinal) + 6)..html.IndexOf("</html>", StringComparison.Ordinal)]);
        double[] heights = [.. pictures[0].Descendants("circle").Select(c => double.Parse(c.Attribute("cy")!.Value, System.Globalization.CultureInfo.InvariantCulture))];
        Assert.True(heights[0] > heights[1], "less divergence stands lower");
    }

    [Theory]
    [InlineData(2, "portable compare needs QUANTIZED and --text FILE", "compare", "MODEL")]
    [InlineData(2, "did you mean '--text'", "compare", "MODEL", "FINE", "--txt", "TEXT")]
    [InlineData(2, "--skip 31 leaves nothing", "compare", "MODEL", "FINE", "--text", "TEXT", "--context", "32", "--skip", "31")]
    [InlineData(2, "--context must be at least 2", "compare", "MODEL", "FINE", "--text", "TEXT", "--context", "1")]
    [InlineData(1, "no-such-model", "compare", "MODEL", "no-such-model", "--text", "TEXT")]
    [InlineData(1, "no-such-text", "compare", "MODEL", "FINE", "--text", "no-such-text")]
    [InlineData(1, "its directory does not exist", "compare", "MODEL", "FINE", "--text", "TEXT", "--report", "no-such-folder/page.html")]
    [InlineData(1, "longer than the model takes (context 1,024)", "compare", "MODEL", "FINE", "--text", "TEXT", "--context", "1025")]
    [InlineData(1, "not one window of 1000", "compare", "MODEL", "FINE", "--text", "SHORT", "--context", "1000")]
    public void MistakesAreToldInOneLine(int code, string reason, params string[] args)
    {
        string brief = Path.Combine(made.Folder, "short.txt");
        File.WriteAllText(brief, "A few words.");
        ToolRun run = ToolRun.Here([.. args.Select(a => a switch { "MODEL" => DemoModel.Directory, "FINE" => made.Fine, "TEXT" => DemoModel.Text, "SHORT" => brief, _ => a })]);
        Assert.Equal(code, run.Code);
        Assert.Empty(run.Output);
        Assert.Contains(reason, Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void ModelsOfOtherTokensAreRefusedByName()
    {
        using TinyCheckpoint other = new();
        File.Copy(Path.Combine(DemoModel.Directory, "tokenizer.model"), Path.Combine(other.Directory, "tokenizer.model"));
        ToolRun vocabulary = ToolRun.Here("compare", DemoModel.Directory, made.Fine, other.Directory, "--text", DemoModel.Text, "--context", "8");
        Assert.Equal(1, vocabulary.Code);
        Assert.Contains($"{other.Directory}: its vocabulary has 16 tokens and that of {DemoModel.Directory} 2,048", Assert.Single(vocabulary.ErrorLines), StringComparison.Ordinal);

        string copy = Path.Combine(made.Folder, "copy");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.EnumerateFiles(DemoModel.Directory))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)), overwrite: true);
        }

        File.WriteAllText(Path.Combine(copy, "tokenizer_config.json"), """{"add_bos_token": false, "bos_token": "<s>"}""");
        ToolRun tokenizer = ToolRun.Here("compare", DemoModel.Directory, copy, "--text", DemoModel.Text, "--context", "8");
        Assert.Equal(1, tokenizer.Code);
        Assert.Contains($"{copy}: its tokenizer is not that of {DemoModel.Directory}: they part at token 0", Assert.Single(tokenizer.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void ItStopsWhenAsked()
    {
        ToolRun run = ToolRun.Here(new CancellationToken(canceled: true), ["compare", DemoModel.Directory, made.Fine, .. Few]);
        Assert.Equal((130, "error: interrupted"), (run.Code, Assert.Single(run.ErrorLines)));
    }

    private static double Number(JsonElement row, string name) => row.GetProperty(name).GetDouble();

    [GeneratedRegex("<svg.*?</svg>", RegexOptions.Singleline)]
    private static partial Regex Pictures();
}

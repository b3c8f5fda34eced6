using Portable.Cli.CommandLine;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>What the tool says of a command line that makes no sense: in words, with what was likely meant.</summary>
public sealed class ComplaintTests
{
    [Theory]
    [InlineData("unknown verb 'quantise'; did you mean 'quantize'?", "quantise", "model")]
    [InlineData("unknown verb 'geneate'; did you mean 'generate'?", "geneate")]
    [InlineData("unknown verb 'matmull'; did you mean 'matmul'?", "bench", "matmull")]
    [InlineData("unknown verb 'zzzzz' (", "zzzzz")]
    [InlineData("unknown option '--promt'; did you mean '--prompt'?", "generate", "model", "--promt", "x")]
    [InlineData("unknown option '--sheme'; did you mean '--scheme'?", "quantize", "model", "--sheme", "W4A8")]
    [InlineData("unknown option '--jsn'; did you mean '--json'?", "devices", "--jsn")]
    [InlineData("unknown option '--a8-buget'; did you mean '--a8-budget'?", "quantize", "model", "--a8-buget", "1")]
    [InlineData("unknown option '--damp' (", "quantize", "model", "--method", "rtn", "--scheme", "W4A8", "--output", "out", "--damp", "1")]
    [InlineData("unknown option '--damp' (", "quantize", "model", "--damp", "1", "--method", "RTN")]
    [InlineData("unknown option '--damp'; did you mean '--damping'?", "quantize", "model", "--damp", "1", "--method", "GPTQ")]
    [InlineData("unknown option '--damp'; did you mean '--damping'?", "quantize", "model", "--damp", "1")]
    [InlineData("unknown option '--grd'; did you mean '--grid'?", "bench", "quantize", "--method", "rtn", "--grd", "search")]
    [InlineData("unknown argument 'keeper'; a value of several words needs quotes", "generate", "model", "--prompt", "The", "keeper")]
    [InlineData("there is no method 'gtpq'; did you mean 'gptq'?", "quantize", "model", "--method", "gtpq", "--scheme", "W4A8", "--output", "out")]
    [InlineData("there is no method 'foo'; methods: rtn, ", "quantize", "model", "--method", "foo", "--scheme", "W4A8", "--output", "out")]
    [InlineData("did you mean 'W4A8'?", "quantize", "model", "--method", "rtn", "--scheme", "W4-A8", "--output", "out")]
    [InlineData("did you mean 'W8A8'?", "quantize", "model", "--method", "rtn", "--scheme", "W8A9", "--output", "out")]
    [InlineData("did you mean 'W6A6g128'?", "quantize", "model", "--method", "rtn", "--scheme", "W6A6-g128", "--output", "out")]
    [InlineData("portable logits needs MODEL and --ids 1,2,3", "logits")]
    [InlineData("portable quantize needs MODEL, --method", "quantize")]
    [InlineData("portable perplexity needs --text", "perplexity", "model")]
    [InlineData("--tokens wants a whole number, not 'many'", "generate", "model", "--prompt", "a", "--tokens", "many")]
    [InlineData("--tokens wants a whole number up to 2147483647, not '3000000000'", "generate", "model", "--prompt", "a", "--tokens", "3000000000")]
    [InlineData("--temperature wants a number, with a point for decimals, not '0,7'", "generate", "model", "--prompt", "a", "--temperature", "0,7")]
    [InlineData("--ids wants a value, 1,2,3", "logits", "model", "--ids")]
    [InlineData("--seed wants a whole number up to 9223372036854775807, not '99999999999999999999'", "generate", "model", "--prompt", "a", "--seed", "99999999999999999999")]
    [InlineData("--seed wants a whole number from -9223372036854775808, not '-99999999999999999999'", "generate", "model", "--prompt", "a", "--seed", "-99999999999999999999")]
    [InlineData("--seconds wants a whole number up to 2147483647, not '99999999999'", "bench", "tune", "--seconds", "99999999999")]
    [InlineData("'--prompt' is no option behind --, which ends options", "generate", "--", "model", "--prompt", "a")]
    [InlineData("unknown verb '[suggest]'", "[suggest]")]
    [InlineData("unknown verb '[diagram]'", "[diagram]", "devices")]
    [InlineData("MODEL wants a directory, not an empty text", "inspect", "")]
    [InlineData("QUANTIZED wants a directory, not an empty text", "compare", "model", "", "--text", "text")]
    [InlineData("--output wants DIR, not an empty text", "quantize", "model", "--method", "rtn", "--scheme", "W4A8", "--output", "")]
    [InlineData("--calibration wants TEXT, not an empty text", "quantize", "model", "--method", "gptq", "--scheme", "W4A8", "--output", "out", "--calibration", "")]
    [InlineData("--text wants FILE, not an empty text", "perplexity", "model", "--text", "")]
    [InlineData("--prompt-file wants FILE, not an empty text", "generate", "model", "--prompt-file", "")]
    [InlineData("--messages wants FILE.json|-, not an empty text", "render", "model", "--messages", "")]
    [InlineData("--report wants FILE, not an empty text", "verify", "--report", "")]
    [InlineData("--report wants FILE.html, not an empty text", "compare", "model", "other", "--text", "text", "--report", "")]
    [InlineData("--api-key-file wants FILE, not an empty text", "serve", "model", "--api-key-file", "")]
    [InlineData("--strings wants FILE, not an empty text", "tokenize", "model", "--strings", "")]
    [InlineData("a name that is not UTF-8", "quantize", "model", "--method", "rtn", "--scheme", "W4A8", "--output", "o\uFFFD")]
    [InlineData("--tokens is given 2 times", "generate", "model", "--prompt", "a", "--tokens", "1", "--tokens", "2")]
    public void SaysWhatIsWrongInOneLine(string says, params string[] args)
    {
        ToolRun run = ToolRun.Here(args);
        Assert.Equal(2, run.Code);
        Assert.Empty(run.Output);
        Assert.Contains(says, Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("w4a8", "W4A8")]
    [InlineData("w6a6G128", "W6A6g128")]
    [InlineData("W2*a8kv8", "W2*A8KV8")]
    [InlineData(" W4A16 ", "W4A16")]
    public void SchemesAreReadInAnyCase(string typed, string scheme) => Assert.Equal(scheme, OptionValues.Scheme(typed).ToString());

    [Theory]
    [InlineData("qantize", "quantize")]
    [InlineData("quantzie", "quantize")]
    [InlineData("perp", "perplexity")]
    [InlineData("x", null)]
    [InlineData("", null)]
    [InlineData("something else", null)]
    public void OnlyNearWordsAreSuggested(string typed, string? meant) =>
        Assert.Equal(meant, Suggestions.Closest(typed, ["devices", "verify", "quantize", "perplexity", "generate", "logits", "inspect", "bench"]));
}

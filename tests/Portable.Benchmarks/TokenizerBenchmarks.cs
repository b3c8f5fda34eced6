using System.Text;
using BenchmarkDotNet.Attributes;
using Portable.Tests.Support;
using Portable.Tokenizers;

namespace Portable.Benchmarks;

/// <summary>Opening real tokenizers and encoding WikiText-2 test (1.29 MB) and as much source code, on one core.</summary>
public class TokenizerBenchmarks
{
    private ITokenizer _tokenizer = null!;
    private string _prose = "", _code = "";

    [Params("qwen3", "llama-3.1", "gemma3", "gpt-oss")]
    public string Name { get; set; } = "";

    private string Folder => SharedData.Tokenizers(Name) ?? throw new InvalidOperationException(SharedData.Absent);

    [GlobalSetup]
    public void Setup()
    {
        _tokenizer = Tokenizer.Open(Folder);
        _prose = File.ReadAllText(SharedData.Text("wikitext-2.test.txt") ?? throw new InvalidOperationException(SharedData.Absent));
        StringBuilder code = new();
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Order(StringComparer.Ordinal).TakeWhile(_ => code.Length < 1_000_000))
        {
            code.Append(File.ReadAllText(file));
        }

        _code = code.ToString();
    }

    [Benchmark]
    public ITokenizer Open() => Tokenizer.Open(Folder);

    [Benchmark]
    public int[] Prose() => _tokenizer.Encode(_prose);

    [Benchmark]
    public int[] Code() => _tokenizer.Encode(_code);
}

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>
/// Frozen hashes of what methods make of a random model: the same on every tier of instructions and any number of threads, and, with
/// min-max grids and scales of 32 bits, what they made before grids were searched.
/// </summary>
/// <remarks>FlexQ's compensated rows are from when its rule of 8-bit activations knew no linear by the names of the random model: a budget of 0 says so.</remarks>
public class QuantizedBytesTests
{
    [Theory]
    [InlineData("rtn", "W4A8", "grid=minmax", "40a0f35eefc70112")]
    [InlineData("rtn", "W3A8g32", "grid=minmax", "d04f0cfba1ed1eff")]
    [InlineData("rtn", "W2*A8g32", "grid=minmax", "b011819f2363d218")]
    [InlineData("gptq", "W4A8", "grid=minmax", "4a88def5d5f2e975")]
    [InlineData("gptq", "W3A8g32", "grid=minmax", "e2d9e5aed5c010cd")]
    [InlineData("gptq", "W3A8g32", "grid=minmax act-order=off", "786e06111e00f721")]
    [InlineData("flexq", "W6A6g32", "grid=minmax", "8f9ef5bb0eeeadb2")]
    [InlineData("flexq", "W6A6g32", "recipe=paper", "8f9ef5bb0eeeadb2")]
    [InlineData("flexq", "W6A6g32", "recipe=paper refine=gptq a8-budget=0", "064e167302476651")]
    public void MinMaxGridsGiveTheBytesFromBeforeTheSearch(string method, string scheme, string options, string hash) => Assert.Equal(hash, Hash(method, scheme, options, ScaleFormat.Single));

    [Theory]
    [InlineData("rtn", "W4A8", "", "984559ee567a3a15")]
    [InlineData("rtn", "W2*A8g32", "", "5173838f4ec64869")]
    [InlineData("gptq", "W3A8g32", "", "7b25d0e84ef9c403")]
    [InlineData("gptq", "W4A8", "act-order=off", "6d90fe3a8da9e1df")]
    [InlineData("flexq", "W6A6g32", "a8-budget=0", "cff2a6014dba53c5")]
    [InlineData("flexq", "W4A8g32", "levels=symmetric refine=off", "2eba4517ce846eb6")]
    public void SearchedGridsGiveTheSameBytesEverywhere(string method, string scheme, string options, string hash)
    {
        Assert.Equal(hash, Hash(method, scheme, options));
        using WorkerPool pool = new(3);
        using WorkerPool.Scope scope = pool.Use();
        Assert.Equal(hash, Hash(method, scheme, options));
    }

    /// <summary>Of codes, scales and zero points of every linear, in model order.</summary>
    private static string Hash(string method, string scheme, string options, ScaleFormat scales = ScaleFormat.Half)
    {
        Dictionary<string, string> named = options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o.Split('=')).ToDictionary(o => o[0], o => o[1]);
        MethodRun run = MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 5, null), scheme: scheme, named: named, scales: scales);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (LinearWeights linear in run.Blocks.SelectMany(b => b.Linears))
        {
            hash.AppendData(MemoryMarshal.AsBytes<ulong>(linear.Quantized!.Weights.Words.ToArray()));
            hash.AppendData(MemoryMarshal.AsBytes<float>([.. linear.Quantized.Scales]));
            hash.AppendData(linear.Quantized.ZeroPoints is { } zeros ? [.. zeros] : []);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}

using System.Text.Json;
using Portable.Reference.Arithmetic;

namespace Portable.Tests.Vectors;

/// <summary>The float contract against vectors made outside of .NET.</summary>
public sealed class ArithmeticVectorTests
{
    private static readonly JsonElement Golden = GoldenFile.Read("arithmetic.json");

    public static TheoryData<string> Functions => new("reciprocal", "reciprocal_square_root", "exp", "round_half_away", "canonical");

    [Theory]
    [MemberData(nameof(Functions))]
    public void FunctionsGiveTheFrozenBits(string name)
    {
        Func<float, float> function = name switch
        {
            "reciprocal" => Contract.Reciprocal,
            "reciprocal_square_root" => Contract.ReciprocalSquareRoot,
            "exp" => Contract.Exp,
            "round_half_away" => Contract.RoundHalfAway,
            _ => Contract.Canonical,
        };
        JsonElement golden = Golden.GetProperty(name);
        Assert.Equal(GoldenFile.Bits(golden.Floats("y")), GoldenFile.Bits(golden.Floats("x").Select(function).ToArray()));
    }

    [Fact]
    public void OrderedDotGivesTheFrozenBits()
    {
        foreach (JsonElement golden in Golden.GetProperty("ordered_dot").EnumerateArray())
        {
            float y = Contract.OrderedDot(golden.Floats("a"), golden.Floats("b"));
            Assert.Equal(GoldenFile.Bits(golden.Floats("y")), GoldenFile.Bits([y]));
        }
    }
}

using System.Globalization;

namespace Portable.Tokenizers;

/// <summary>Numbers of tokens in messages.</summary>
internal static class TokenCount
{
    /// <summary>1 token, 2 tokens.</summary>
    public static string Text(int count) => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "token" : "tokens")}");
}

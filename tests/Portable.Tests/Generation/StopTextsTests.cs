using FsCheck.Xunit;
using Portable.Generation;

namespace Portable.Tests.Generation;

public sealed class StopTextsTests
{
    [Property(MaxTest = 500)]
    public void A_text_ends_before_its_first_stop_text_however_it_is_cut(int seed)
    {
        Random random = new(seed);
        string Letters(int length) => string.Concat(Enumerable.Range(0, length).Select(_ => "ab\n"[random.Next(3)]));
        string text = Letters(random.Next(40));
        string[] stops = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Letters(1 + random.Next(5)))];
        // The first that is complete; of those that end together, the longest.
        (int End, int Start)[] found = [.. stops.Select(s => (End: text.IndexOf(s, StringComparison.Ordinal) + s.Length, Start: text.IndexOf(s, StringComparison.Ordinal))).Where(f => f.Start >= 0)];
        string expected = found.Length > 0 ? text[..found.Min().Start] : text;

        StopTexts filter = new(stops);
        string shown = string.Empty;
        for (int at = 0; at < text.Length && !filter.Stopped;)
        {
            int length = Math.Min(1 + random.Next(4), text.Length - at);
            shown += filter.Push(text.Substring(at, length));
            // Nothing that may turn out to belong to a stop text is shown before that is known.
            Assert.StartsWith(shown, expected, StringComparison.Ordinal);
            at += length;
        }

        Assert.Equal(expected, shown + filter.Finish());
        Assert.Equal(found.Length > 0, filter.Stopped);
    }

    [Fact]
    public void Nothing_is_held_back_without_need() => Assert.Equal("ab", new StopTexts(["xyz"]).Push("ab"));
}

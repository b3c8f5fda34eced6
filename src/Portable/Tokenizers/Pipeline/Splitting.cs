using System.Text;
using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Pipeline;

/// <summary>What becomes of the matches that a piece is split at.</summary>
internal enum SplitBehavior
{
    /// <summary>They are pieces.</summary>
    Isolated,

    /// <summary>They are dropped.</summary>
    Removed,

    /// <summary>Neighboring ones are one piece.</summary>
    Contiguous,

    /// <summary>They end the piece in front of them.</summary>
    MergedWithPrevious,

    /// <summary>They begin the piece behind them.</summary>
    MergedWithNext,
}

/// <summary>Splits pieces at matches.</summary>
internal static class Splitting
{
    /// <summary>Splits a piece; empty pieces are left out.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="matches">Matches in its text, ascending; indices count from the piece's start.</param>
    /// <param name="behavior">What becomes of matches.</param>
    /// <param name="invert">What lies between matches counts as the matches.</param>
    /// <param name="output">Receives pieces.</param>
    public static void Split(Piece piece, List<(int Start, int End)> matches, SplitBehavior behavior, bool invert, List<Piece> output)
    {
        int end = piece.Start;
        bool previous = false, any = false;

        // The piece that is being made; a match merged with the next stays open.
        int open = piece.Start;
        void Emit(int start, int stop)
        {
            if (stop > start)
            {
                output.Add(piece.Slice(start, stop));
            }
        }

        void Add(int start, int stop, bool isMatch)
        {
            bool joined = any && behavior switch
            {
                SplitBehavior.Contiguous => isMatch == previous,
                SplitBehavior.MergedWithPrevious => isMatch && !previous,
                SplitBehavior.MergedWithNext => previous && !isMatch,
                _ => false,
            };
            if (!joined)
            {
                if (any && !(behavior == SplitBehavior.Removed && previous))
                {
                    Emit(open, start);
                }

                open = start;
            }

            (previous, any) = (isMatch, true);
        }

        foreach ((int start, int stop) in matches)
        {
            if (piece.Start + start > end)
            {
                Add(end, piece.Start + start, invert);
            }

            end = piece.Start + stop;
            Add(piece.Start + start, end, !invert);
        }

        if (end < piece.End)
        {
            Add(end, piece.End, invert);
        }

        if (!(behavior == SplitBehavior.Removed && previous))
        {
            Emit(open, piece.End);
        }

    }

    /// <summary>Each character of a set as a match of its own.</summary>
    public static List<(int Start, int End)> Characters(ReadOnlySpan<char> text, CodePointSet set)
    {
        List<(int, int)> matches = [];
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (set.Contains(rune.Value))
            {
                matches.Add((at, at + rune.Utf16SequenceLength));
            }

            at += rune.Utf16SequenceLength;
        }

        return matches;
    }
}

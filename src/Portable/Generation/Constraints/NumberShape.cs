using System.Globalization;
using System.Text.Json;

namespace Portable.Generation.Constraints;

/// <summary>
/// Numbers between bounds as programs over bytes: digit by digit, for as long as the digits are those of a bound, the bound's next digit
/// limits the next. Bounded numbers have no exponent; all have at most 18 digits before and behind the point.
/// </summary>
/// <param name="program">Where the steps go.</param>
internal sealed class NumberShape(ByteProgram program)
{
    /// <summary>Digits on each side of the point.</summary>
    public const int MostDigits = 18;

    private const long Largest = 999_999_999_999_999_999;

    /// <summary>The bounds that a schema sets.</summary>
    /// <exception cref="ConstraintException">One is no number of at most 18 digits before and 10 behind the point.</exception>
    public static (decimal? Least, bool Above, decimal? Most, bool Below) Bounds(JsonElement schema, string place)
    {
        decimal? minimum = Bound("minimum"), above = Bound("exclusiveMinimum"), maximum = Bound("maximum"), below = Bound("exclusiveMaximum");
        bool isAbove = above is not null && (minimum is null || above >= minimum), isBelow = below is not null && (maximum is null || below <= maximum);
        return (isAbove ? above : minimum, isAbove, isBelow ? below : maximum, isBelow);

        decimal? Bound(string word) => !schema.TryGetProperty(word, out JsonElement value) ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal bound) && Math.Abs(bound) <= Largest && bound == Math.Round(bound, 10) ? bound
            : throw new ConstraintException($"{place}/{word}: must be a number of at most {MostDigits} digits before and 10 behind the point.");
    }

    /// <summary>Whole numbers between bounds.</summary>
    public int Integer(decimal? least, bool above, decimal? most, bool below, string place, int next)
    {
        decimal first = least is { } l ? above && l == Math.Floor(l) ? l + 1 : Math.Ceiling(l) : -Largest;
        decimal last = most is { } m ? below && m == Math.Floor(m) ? m - 1 : Math.Floor(m) : Largest;
        (long low, long high) = ((long)Math.Max(first, -Largest), (long)Math.Min(last, Largest));
        List<int> ways = [];
        if (high >= 0 && low <= high)
        {
            ways.Add(Digits(Math.Max(low, 0), high, next));
        }

        if (low < 0 && low <= high)
        {
            ways.Add(program.Text("-", Digits(Math.Max(-high, 1), -low, next)));
        }

        return ways.Count > 0 ? program.Any(ways) : throw new ConstraintException($"{place}: no whole number lies within the bounds.");
    }

    /// <summary>Numbers between bounds.</summary>
    public int Number(decimal? least, bool above, decimal? most, bool below, string place, int next)
    {
        List<int> ways = [];
        if (most is null or >= 0)
        {
            bool bounded = least is >= 0;
            Add(bounded ? least!.Value : 0, bounded && above, most, below, string.Empty);
        }

        if (least is null or < 0)
        {
            bool bounded = most is <= 0;
            Add(bounded ? -most!.Value : 0, bounded && below, -least, above, "-");
        }

        return ways.Count > 0 ? program.Any(ways) : throw new ConstraintException($"{place}: no number lies within the bounds.");

        void Add(decimal from, bool over, decimal? to, bool under, string sign)
        {
            if (Magnitude(from, over, to, under, next) is { } start)
            {
                ways.Add(program.Text(sign, start));
            }
        }
    }

    // From 0 up.
    private int? Magnitude(decimal from, bool over, decimal? to, bool under, int next)
    {
        if (to < from || (to == from && (over || under)))
        {
            return null;
        }

        long low = (long)Math.Floor(from), high = to is { } t ? (long)Math.Floor(t) : Largest;
        int[]? least = from == 0 && !over ? null : Fraction(from - low), most = to is null ? null : Fraction(to.Value - high);
        List<int> ways = [];
        if (low == high)
        {
            Add(low, least, most);
        }
        else
        {
            Add(low, least, null);
            Add(high, null, most);
            if (high - low > 1)
            {
                ways.Add(Digits(low + 1, high - 1, Point(0, null, false, null, false, next)!.Value));
            }
        }

        return ways.Count > 0 ? program.Any(ways) : null;

        void Add(long whole, int[]? l, int[]? m)
        {
            if (Point(0, l, over, m, under, next) is { } behind)
            {
                ways.Add(program.Text(whole.ToString(CultureInfo.InvariantCulture), behind));
            }
        }
    }

    /// <summary>What follows so many digits behind the point that are those of the bounds given.</summary>
    /// <returns>The first step, or null where nothing can follow, not even the end.</returns>
    private int? Point(int at, int[]? least, bool over, int[]? most, bool under, int next)
    {
        List<int> ways = [];
        bool endsAtLeast = least is not null && !least.AsSpan(Math.Min(at, least.Length)).ContainsAnyExcept(0), endsAtMost = most is not null && !most.AsSpan(Math.Min(at, most.Length)).ContainsAnyExcept(0);
        if ((least is null || (endsAtLeast && !over)) && (!endsAtMost || !under))
        {
            ways.Add(next);
        }

        if (at < MostDigits)
        {
            int low = least is null ? 0 : Digit(least, at), high = most is null ? 9 : Digit(most, at);
            List<int> digits = [];
            if (least is null && most is null)
            {
                digits.Add(program.Repeat(end => program.Range((byte)'0', (byte)'9', end), 1, MostDigits - at, next));
            }
            else
            {
                int? free = null;
                for (int digit = low; digit <= high; digit++)
                {
                    int[]? l = digit == low ? least : null, m = digit == high ? most : null;
                    int? behind = l is null && m is null ? free ??= Point(at + 1, null, over, null, under, next) : Point(at + 1, l, over, m, under, next);
                    if (behind is { } start)
                    {
                        digits.Add(program.Range((byte)('0' + digit), (byte)('0' + digit), start));
                    }
                }
            }

            if (digits.Count > 0)
            {
                ways.Add(at == 0 ? program.Text(".", program.Any(digits)) : program.Any(digits));
            }
        }

        return ways.Count > 0 ? program.Any(ways) : null;
    }

    /// <summary>Whole numbers from 0 up between bounds.</summary>
    private int Digits(long low, long high, int next)
    {
        List<int> ways = [];
        for (long from = low; from <= high;)
        {
            int length = from.ToString(CultureInfo.InvariantCulture).Length;
            long last = length >= MostDigits ? Largest : (long)Math.Pow(10, length) - 1, to = Math.Min(high, last);
            ways.Add(Same(from.ToString(CultureInfo.InvariantCulture), to.ToString(CultureInfo.InvariantCulture), 0, true, true, next));
            from = to + 1;
        }

        return program.Any(ways);
    }

    // Of the same number of digits.
    private int Same(string low, string high, int at, bool atLow, bool atHigh, int next)
    {
        if (at == low.Length)
        {
            return next;
        }

        if (!atLow && !atHigh)
        {
            return program.Repeat(end => program.Range((byte)'0', (byte)'9', end), low.Length - at, low.Length - at, next);
        }

        char first = atLow ? low[at] : '0', last = atHigh ? high[at] : '9';
        if (first == last)
        {
            return program.Range((byte)first, (byte)first, Same(low, high, at + 1, atLow, atHigh, next));
        }

        List<int> ways = [];
        if (atLow)
        {
            ways.Add(program.Range((byte)first, (byte)first, Same(low, high, at + 1, true, false, next)));
            first++;
        }

        if (atHigh)
        {
            ways.Add(program.Range((byte)last, (byte)last, Same(low, high, at + 1, false, true, next)));
            last--;
        }

        if (first <= last)
        {
            ways.Add(program.Range((byte)first, (byte)last, Same(low, high, at + 1, false, false, next)));
        }

        return program.Any(ways);
    }

    private static int Digit(int[] digits, int at) => at < digits.Length ? digits[at] : 0;

    private static int[] Fraction(decimal value) => [.. value.ToString("F10", CultureInfo.InvariantCulture).Split('.')[1].Select(d => d - '0')];
}

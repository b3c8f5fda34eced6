using System.Globalization;
using System.Text;

namespace Portable.Evaluation;

/// <summary>Divergence over bits per weight, as SVG: the divergence on a logarithmic axis, models by their number, methods by colour.</summary>
internal static class DivergencePlot
{
    private const double Width = 760, Height = 420, Left = 70, Right = 20, Top = 16, Bottom = 48;

    /// <summary>The picture.</summary>
    /// <param name="models">The models; their numbers are their places, from 1.</param>
    public static string Svg(IReadOnlyList<ComparisonRow> models)
    {
        (int Number, ComparisonRow Row)[] shown = [.. models.Select((m, i) => (i + 1, m)).Where(p => p.m.MeanDivergence > 0)];
        string left = shown.Length == models.Count ? "" : $"<p class=\"note\">Not in the picture, for their divergence is 0: {string.Join(", ", models.Select((m, i) => (m, i + 1)).Where(p => p.m.MeanDivergence <= 0).Select(p => p.Item2))}.</p>\n";
        if (shown.Length == 0)
        {
            return left;
        }

        double least = shown.Min(p => p.Row.BitsPerWeight), most = shown.Max(p => p.Row.BitsPerWeight), space = Math.Max(0.25, (most - least) * 0.06);
        (double From, double To) bits = (least - space, most + space);
        (double From, double To) powers = (Math.Log10(shown.Min(p => p.Row.MeanDivergence)) - 0.15, Math.Log10(shown.Max(p => p.Row.MeanDivergence)) + 0.15);
        double X(double b) => Left + ((b - bits.From) / (bits.To - bits.From) * (Width - Left - Right));
        double Y(double d) => Height - Bottom - (Math.Clamp((Math.Log10(d) - powers.From) / (powers.To - powers.From), 0, 1) * (Height - Top - Bottom));

        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" role=\"img\" aria-label=\"Divergence over bits per weight\">\n");
        foreach (double tick in Steps(bits.From, bits.To))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"rule\" x1=\"{Html.At(X(tick))}\" y1=\"{Top}\" x2=\"{Html.At(X(tick))}\" y2=\"{Height - Bottom}\"/><text class=\"soft\" x=\"{Html.At(X(tick))}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{Html.At(tick)}</text>\n");
        }

        foreach (double tick in Decades(powers.From, powers.To))
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"rule\" x1=\"{Left}\" y1=\"{Html.At(Y(tick))}\" x2=\"{Width - Right}\" y2=\"{Html.At(Y(tick))}\"/><text class=\"soft\" x=\"{Left - 8}\" y=\"{Html.At(Y(tick) + 4)}\" text-anchor=\"end\">{tick.ToString("0.######", CultureInfo.InvariantCulture)}</text>\n");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text class=\"soft\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 8}\" text-anchor=\"middle\">bits per weight</text><text class=\"soft\" x=\"14\" y=\"{(Top + Height - Bottom) / 2}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {(Top + Height - Bottom) / 2})\">KLD, nats</text>\n");
        string[] methods = [.. shown.Select(p => p.Row.Method).Distinct()];
        foreach ((int number, ComparisonRow row) in shown)
        {
            double x = X(row.BitsPerWeight), y = Y(row.MeanDivergence);
            svg.Append(CultureInfo.InvariantCulture, $"<g class=\"s{Array.IndexOf(methods, row.Method) % Html.Colours}\"><title>{number}: {Html.Text(row.Model)}, {Html.Number(row.BitsPerWeight, "F3")} bits, KLD {Html.Number(row.MeanDivergence, "G4")}</title>");
            if (row.DivergenceError is > 0 and var error)
            {
                double low = Math.Max(row.MeanDivergence - error, Math.Pow(10, powers.From));
                svg.Append(CultureInfo.InvariantCulture, $"<line class=\"bar\" x1=\"{Html.At(x)}\" y1=\"{Html.At(Y(low))}\" x2=\"{Html.At(x)}\" y2=\"{Html.At(Y(row.MeanDivergence + error))}\"/>");
            }

            svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"dot\" cx=\"{Html.At(x)}\" cy=\"{Html.At(y)}\" r=\"5\"/><text x=\"{Html.At(x + 9)}\" y=\"{Html.At(y - 5)}\">{number}</text></g>\n");
        }

        svg.Append("</svg>\n<p>").Append(string.Concat(methods.Select((m, i) => $"<span class=\"key s{i % Html.Colours}\">{Html.Text(m)}</span>"))).Append("</p>\n");
        return svg.Append(left).ToString();
    }

    /// <summary>Whole, half or quarter steps, some six of them.</summary>
    private static IEnumerable<double> Steps(double from, double to)
    {
        double step = ((double[])[0.1, 0.25, 0.5, 1, 2, 5]).FirstOrDefault(s => (to - from) / s <= 9, 10);
        for (double at = Math.Ceiling(from / step); at * step <= to; at++)
        {
            yield return at * step;
        }
    }

    /// <summary>1, 2 and 5 of every power of ten within.</summary>
    private static IEnumerable<double> Decades(double from, double to)
    {
        for (int power = (int)Math.Floor(from); power <= to; power++)
        {
            foreach (int digit in (int[])[1, 2, 5])
            {
                double value = digit * Math.Pow(10, power);
                if (Math.Log10(value) >= from && Math.Log10(value) <= to)
                {
                    yield return value;
                }
            }
        }
    }
}

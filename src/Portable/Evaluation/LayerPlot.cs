using System.Globalization;
using System.Text;
using Portable.Checkpoints.Format;

namespace Portable.Evaluation;

/// <summary>Errors of a model's layers over its blocks, a line a type, as SVG.</summary>
internal static class LayerPlot
{
    private const double Width = 360, Height = 200, Left = 46, Right = 10, Top = 10, Bottom = 26;

    /// <summary>The block that a module is part of: the number in its name; null where it is in none.</summary>
    public static int? BlockOf(string name) => name.Split('.').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int block) ? block : (int?)null).FirstOrDefault(block => block is not null);

    /// <summary>The type of a module: the last word of its name.</summary>
    public static string TypeOf(string name) => name.Split('.')[^1];

    /// <summary>A layer's error, of its outputs or of its weights.</summary>
    public static double ErrorOf(LayerReport layer, bool outputs) => outputs ? layer.OutputError ?? 0 : layer.Error;

    /// <summary>The picture.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="types">Types in the order of their colours.</param>
    /// <param name="outputs">Errors of outputs, or of weights.</param>
    /// <param name="top">The largest error on the axis.</param>
    public static string Svg(IReadOnlyList<LayerReport> layers, string[] types, bool outputs, double top)
    {
        int last = Math.Max(1, layers.Max(l => BlockOf(l.Name) ?? 0));
        double scale = top > 0 ? top : 1;
        double X(int block) => Left + ((double)block / last * (Width - Left - Right));
        double Y(double error) => Height - Bottom - (error / scale * (Height - Top - Bottom));

        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" width=\"{Width}\" role=\"img\" aria-label=\"Errors by block\">\n");
        foreach (double tick in (double[])[0, scale / 2, scale])
        {
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"rule\" x1=\"{Left}\" y1=\"{Html.At(Y(tick))}\" x2=\"{Width - Right}\" y2=\"{Html.At(Y(tick))}\"/><text class=\"soft\" x=\"{Left - 6}\" y=\"{Html.At(Y(tick) + 4)}\" text-anchor=\"end\">{tick.ToString("G2", CultureInfo.InvariantCulture)}</text>\n");
        }

        foreach (int block in (int[])[0, last])
        {
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"soft\" x=\"{Html.At(X(block))}\" y=\"{Height - 8}\" text-anchor=\"{(block == 0 ? "start" : "end")}\">{(block == 0 ? "block 0" : block)}</text>\n");
        }

        for (int i = 0; i < types.Length; i++)
        {
            (int Block, double Error)[] points = [.. layers.Where(l => TypeOf(l.Name) == types[i] && BlockOf(l.Name) is not null).Select(l => (BlockOf(l.Name)!.Value, ErrorOf(l, outputs)))];
            string line = string.Join(' ', points.Select(p => $"{Html.At(X(p.Block))},{Html.At(Y(p.Error))}"));
            svg.Append(CultureInfo.InvariantCulture, $"<g class=\"s{i % Html.Colours}\"><title>{Html.Text(types[i])}</title>{(points.Length == 1 ? $"<circle class=\"dot\" cx=\"{line.Split(',')[0]}\" cy=\"{line.Split(',')[1]}\" r=\"3\"/>" : $"<polyline class=\"line\" points=\"{line}\"/>")}</g>\n");
        }

        return svg.Append("</svg>").ToString();
    }
}

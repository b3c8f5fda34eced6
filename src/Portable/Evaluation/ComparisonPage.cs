using System.Globalization;
using System.Text;
using Portable.Checkpoints.Format;

namespace Portable.Evaluation;

/// <summary>A comparison as one HTML file: no script, nothing asked of any address, light and dark as the reader's system is.</summary>
internal static class ComparisonPage
{
    private const string Head = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Quantized models beside their reference</title>
        <style>
        :root { color-scheme: light dark; --ink: #1b1b1b; --soft: #666; --rule: #d4d4d4; --page: #fff;
          --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #8a6d00; --c5: #56b4e9; --c6: #444; --c7: #7a3b9a; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #a0a0a0; --rule: #3c3c3c; --page: #161616;
          --c0: #4fa8e0; --c1: #f08a4b; --c2: #3ecf9f; --c3: #e5a3c8; --c4: #e0c341; --c5: #8fd0f7; --c6: #bbb; --c7: #c08be0; } }
        body { margin: 2rem auto; max-width: 74rem; padding: 0 1rem; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
        h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p.note { color: var(--soft); }
        .wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; } th { font-weight: 600; }
        th.w, td.w { text-align: left; } pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--rule); padding-left: .8rem; }
        svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; } svg .soft { fill: var(--soft); }
        svg .rule { stroke: var(--rule); } svg .axis { stroke: var(--soft); } svg polyline { fill: none; stroke-width: 1.6; }
        .grid { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; } figcaption { font-size: .9rem; }
        .s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); } .s3 { --c: var(--c3); } .s4 { --c: var(--c4); } .s5 { --c: var(--c5); } .s6 { --c: var(--c6); } .s7 { --c: var(--c7); }
        svg .dot { fill: var(--c); } svg .line, svg .bar { stroke: var(--c); } .key { color: var(--c); font-weight: 600; margin-right: 1rem; }
        summary { cursor: pointer; }
        </style>
        </head>
        <body>

        """;

    /// <summary>The page.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="command">The command that made it, or null.</param>
    public static string Of(ComparisonResult result, string? command)
    {
        StringBuilder page = new(Head);
        ComparisonRow reference = result.Rows[0];
        ComparisonRow[] models = [.. result.Rows.Skip(1)];
        page.Append(CultureInfo.InvariantCulture, $"<h1>{Html.Text(models.Length == 1 ? "A model" : "Models")} beside {Html.Text(reference.Model)}</h1>\n<p>");
        page.Append(CultureInfo.InvariantCulture, $"{(result.Text is { } text ? Html.Text(text) + ": " : "")}{result.Windows:N0} windows of {result.Context:N0} tokens, {result.Predictions:N0} predictions");
        page.Append(result.Skip > 0 ? string.Create(CultureInfo.InvariantCulture, $" (the first {result.Skip:N0} of each window are not scored)") : "");
        page.Append(CultureInfo.InvariantCulture, $", {result.Seconds:F1} s on {Html.Text(result.Device)}.</p>\n");
        Table(page, result.Rows);
        page.Append("<h2>Divergence over bits</h2>\n").Append(DivergencePlot.Svg(models));
        Layers(page, models);
        Making(page, models, command);
        return page.Append("</body>\n</html>\n").ToString();
    }

    private static void Table(StringBuilder page, IReadOnlyList<ComparisonRow> rows)
    {
        page.Append("<div class=\"wide\"><table>\n<tr><th>#</th><th class=\"w\">model</th><th class=\"w\">method</th><th>bits per weight</th><th>KLD</th><th>±</th><th>KLD, 99 %</th><th>same top</th><th>perplexity</th><th>ratio</th><th>±</th></tr>\n");
        for (int i = 0; i < rows.Count; i++)
        {
            ComparisonRow r = rows[i];
            string[] cells =
            [
                Html.Number(r.BitsPerWeight, "F3"), Html.Number(r.MeanDivergence, "G4"), Html.Number(r.DivergenceError, "G2"), Html.Number(r.Divergence99, "G4"),
                Html.Number(100 * r.SameTop, "F2") + " %", Html.Number(r.Perplexity, "F4"), Html.Number(r.Ratio, "F5"), Html.Number(r.RatioError, "F5"),
            ];
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{(i == 0 ? "" : i)}</td><td class=\"w\">{Html.Text(r.Model)}</td><td class=\"w\">{Html.Text(r.Scheme is null ? r.Method : $"{r.Method} {r.Scheme}")}</td>");
            page.Append(string.Concat(cells.Select(c => $"<td>{c}</td>"))).Append("</tr>\n");
        }

        page.Append("</table></div>\n<p class=\"note\">KLD: Kullback–Leibler divergence from the reference's distribution, mean nats a prediction. Same top: predictions whose likeliest token is the reference's. ")
            .Append("Ratio: perplexity over the reference's. ±: standard errors with the window as unit, of the ratio from differences position by position. ")
            .Append("Bits: codes, scales and zero points as stored, over the weights of the blocks' linears.</p>\n");
    }

    private static void Layers(StringBuilder page, ComparisonRow[] models)
    {
        ComparisonRow[] known = [.. models.Where(m => m.Layers.Count > 0)];
        if (known.Length == 0)
        {
            return;
        }

        bool outputs = known.All(m => m.Layers.All(l => l.OutputError is not null || LayerPlot.BlockOf(l.Name) is null));
        string[] types = [.. known.SelectMany(m => m.Layers).Where(l => LayerPlot.BlockOf(l.Name) is not null).Select(l => LayerPlot.TypeOf(l.Name)).Distinct()];
        page.Append(outputs
            ? "<h2>Errors of the layers' outputs</h2>\n<p class=\"note\">‖Y−Ŷ‖/‖Y‖ on the calibration inputs, by block, from the manifests.</p>\n"
            : "<h2>Errors of the layers' weights</h2>\n<p class=\"note\">‖Ŵ−W‖/‖W‖, by block, from the manifests.</p>\n");
        page.Append("<p>").Append(string.Concat(types.Select((t, i) => $"<span class=\"key s{i % Html.Colours}\">{Html.Text(t)}</span>"))).Append("</p>\n<div class=\"grid\">\n");
        double top = known.Max(m => m.Layers.Where(l => LayerPlot.BlockOf(l.Name) is not null).Max(l => LayerPlot.ErrorOf(l, outputs)));
        foreach (ComparisonRow model in known)
        {
            page.Append(CultureInfo.InvariantCulture, $"<figure>{LayerPlot.Svg(model.Layers, types, outputs, top)}<figcaption>{Array.IndexOf(models, model) + 1}: {Html.Text(model.Model)}</figcaption></figure>\n");
        }

        page.Append("</div>\n");
        foreach (ComparisonRow model in known)
        {
            page.Append(CultureInfo.InvariantCulture, $"<details><summary>{Array.IndexOf(models, model) + 1}: {Html.Text(model.Model)}, layer by layer</summary>\n<div class=\"wide\"><table>\n<tr><th class=\"w\">layer</th><th class=\"w\">scheme</th><th>weights</th><th>outputs</th></tr>\n");
            foreach (LayerReport l in model.Layers)
            {
                page.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"w\">{Html.Text(l.Name)}</td><td class=\"w\">{Html.Text(l.Scheme)}</td><td>{Html.Number(l.Error, "F5")}</td><td>{Html.Number(l.OutputError, "F5")}</td></tr>\n");
            }

            page.Append("</table></div></details>\n");
        }
    }

    private static void Making(StringBuilder page, ComparisonRow[] models, string? command)
    {
        page.Append("<h2>How it was made</h2>\n");
        if (command is not null)
        {
            page.Append(CultureInfo.InvariantCulture, $"<pre>{Html.Text(command)}</pre>\n");
        }

        for (int i = 0; i < models.Length; i++)
        {
            if (models[i] is { Scheme: { } scheme } m)
            {
                page.Append(CultureInfo.InvariantCulture, $"<details><summary>{i + 1}: {Html.Text(m.Model)}</summary>\n<pre>portable quantize … --method {Html.Text(m.Method)} --scheme {Html.Text(scheme)}\n{Html.Text(m.Options ?? "")}</pre></details>\n");
            }
        }
    }
}

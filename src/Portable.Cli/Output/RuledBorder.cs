using Spectre.Console;
using Spectre.Console.Rendering;

namespace Portable.Cli.Output;

/// <summary>A table's only line: a rule under its headings.</summary>
/// <param name="unicode">Whether it is drawn with more than ASCII.</param>
internal sealed class RuledBorder(bool unicode) : TableBorder
{
    public override string GetPart(TableBorderPart part) => part switch
    {
        TableBorderPart.HeaderBottom => unicode ? "\u2500" : "-",
        _ => "",
    };
}

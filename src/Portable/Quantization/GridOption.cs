namespace Portable.Quantization;

/// <summary>How weight grids are found, the same option for every method that asks for it.</summary>
internal static class GridOption
{
    /// <summary>The option.</summary>
    public static readonly MethodOption Option = new("grid", "search", "weight grids: search (least weighted squared error), minmax (the whole range)") { Unrecorded = "minmax" };

    /// <summary>Whether grids are searched.</summary>
    /// <exception cref="MethodUsageException">Another word.</exception>
    public static bool Searches(MethodOptions options) => options.Choice(Option, "search", "minmax") == "search";
}

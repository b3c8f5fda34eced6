namespace Portable.Quantization;

/// <summary>The method table: a method that is here is offered, documented and tested; one that is not does not exist.</summary>
public static class QuantizationMethods
{
    /// <summary>All methods, in the order of help.</summary>
    public static IReadOnlyList<IQuantizationMethod> All { get; } =
    [
        new RoundToNearestMethod(),
        new SmoothQuantMethod(),
        new GptqMethod(),
        new FlexQ.FlexQMethod(),
        new FlattenQuant.FlattenMethod(),
    ];

    /// <summary>The method of a name.</summary>
    /// <exception cref="MethodUsageException">No such method.</exception>
    public static IQuantizationMethod Find(string name) =>
        All.FirstOrDefault(m => m.Name == name)
        ?? throw new MethodUsageException($"There is no method '{name}'; methods: {string.Join(", ", All.Select(m => m.Name))}.");
}

namespace Portable.Quantization.Baselines;

/// <summary>The parts of compensated rounding, each with its switch: GPTQ as published (all off, min-max grids), or what measures better.</summary>
/// <param name="Searches">Grids searched when their group is reached, in place of min-max grids found beforehand.</param>
/// <param name="ActivationOrder">Columns in descending diag(H) ("act-order"); with searched grids group after group.</param>
/// <param name="Damping">Part of mean diag(H) added to the diagonal.</param>
/// <param name="Sequential">Every input observed behind the quantized linears before it in the block ("true sequential"), not once per block.</param>
/// <param name="Target">Part (0 … 1) of the correction that makes the outputs those of the float model's stream and not of the same weights on the quantized one; null = by the number of calibration tokens.</param>
/// <param name="Missing">Part (0 … 1) of what the residual stream lacks that o and down (fc2) are to make good; null = likewise.</param>
/// <param name="Descent">Turns of descent on scales and codes afterwards.</param>
internal sealed record CompensationOptions(bool Searches, bool ActivationOrder, double Damping, bool Sequential, double? Target, double? Missing, int Descent)
{
    private static readonly MethodOption Order = new("act-order", "on", "quantize columns in descending activation energy (with searched grids: group after group): on, off");
    private static readonly MethodOption DampingPart = new("damping", "0.01", "part of the Hessian's mean diagonal added to its diagonal");
    private static readonly MethodOption TrueSequential = new("true-sequential", "", "observe each input behind the already quantized linears of its own block: on, off") { Implied = "on; off with --grid minmax" };
    private static readonly MethodOption TargetPart = new("target", "", "part of the correction towards the float model's outputs, 0 … 1; 0 = outputs of the same weights on quantized inputs") { Implied = "tokens / (tokens + 40 K); 0 with --grid minmax" };
    private static readonly MethodOption MissingPart = new("missing", "", "part of the residual stream's error that o and down (fc2) make good, 0 … 1") { Implied = "tokens / (tokens + 40 K); 0 with --grid minmax" };
    private static readonly MethodOption Turns = new("descent", "", "turns of least squares on scales and of descent on codes, behind the compensation") { Implied = "3; 0 with --grid minmax" };

    /// <summary>The options, in the order of help.</summary>
    public static IReadOnlyList<MethodOption> All { get; } = [GridOption.Option, Order, DampingPart, TrueSequential, TargetPart, MissingPart, Turns];

    /// <summary>What the kind of grids implies: GPTQ as published with min-max grids, all parts with searched ones.</summary>
    public static CompensationOptions Implied(bool searches) => new(searches, true, 0.01, searches, searches ? null : 0, searches ? null : 0, searches ? 3 : 0);

    /// <summary>Reads them.</summary>
    /// <exception cref="MethodUsageException">One is out of range.</exception>
    public static CompensationOptions Read(MethodOptions options)
    {
        CompensationOptions implied = Implied(GridOption.Searches(options));
        bool Given(MethodOption option) => options.Text(option).Length > 0;
        return implied with
        {
            ActivationOrder = options.Switch(Order),
            Damping = options.Number(DampingPart, 1e-6, 1),
            Sequential = Given(TrueSequential) ? options.Switch(TrueSequential) : implied.Sequential,
            Target = Given(TargetPart) ? options.Number(TargetPart, 0, 1) : implied.Target,
            Missing = Given(MissingPart) ? options.Number(MissingPart, 0, 1) : implied.Missing,
            Descent = Given(Turns) ? (int)options.Number(Turns, 0, 100) : implied.Descent,
        };
    }
}

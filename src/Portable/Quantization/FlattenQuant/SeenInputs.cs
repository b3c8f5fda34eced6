using Portable.Calibration;
using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>One input of a block as its flattened layers see it: what is clipped, and for GPTQ H = Σ x̂·x̂ᵀ and C = Σ x·x̂ᵀ, summed where the stream runs.</summary>
internal sealed class SeenInputs : IDisposable
{
    private readonly Executor _executor;
    private readonly DeviceActivation _exact, _seen;
    private readonly DeviceInput _input;
    private readonly IInputRounding _rounding;
    private readonly ActivationQuantizer? _groups;
    private readonly float[]? _factors;

    /// <summary>Nothing seen yet.</summary>
    /// <param name="device">Where the stream runs.</param>
    /// <param name="plan">Scale and parts.</param>
    /// <param name="factors">What the input is divided by, or null.</param>
    /// <param name="settings">Whether GPTQ runs, and groups.</param>
    public SeenInputs(ICalibrationDevice device, FlattenPlan plan, float[]? factors, FlattenSettings settings)
    {
        int columns = plan.ActivationParts.Length;
        _factors = factors;
        _executor = device.CreateExecutor();
        (_exact, _seen) = (_executor.CreateActivation(columns), _executor.CreateActivation(columns));
        _input = _executor.CreateInput(new InputSpec(columns, null, new GroupLayout(columns)));
        _rounding = device.CreateRounding(plan.ActivationScale, SeenInput.Limits(plan), factors);
        _groups = settings.ActivationGroup > 0 ? FlattenedLinear.GroupedInput(plan.Bits, settings.ActivationGroup) : null;
        Sums = settings.Gptq ? (device.CreateGram(columns), device.CreateCross(columns, columns)) : null;
    }

    /// <summary>H and C; null without GPTQ.</summary>
    public (IGramSums Hessian, ICrossSums Cross)? Sums { get; }

    /// <summary>Adds rows that lie where the stream runs.</summary>
    public void Add(DeviceActivation x, int rows)
    {
        Begin(rows);
        _rounding.Round(_executor, x, _exact, _seen, rows);
        End(rows);
    }

    /// <summary>Adds rows whose scales are those of a token and a group of channels.</summary>
    public void AddGroups(ReadOnlySpan<float> x, int rows)
    {
        float[] exact = _factors is null ? x.ToArray() : Smoothing.Scale(x, _factors, divide: true), seen = new float[x.Length];
        SeenInput.RoundGroups(exact, _exact.Columns, _groups!, seen);
        Begin(rows);
        _executor.Write(_exact, exact);
        _executor.Write(_seen, seen);
        End(rows);
    }

    /// <summary>Values beyond the last digit, over all rows added.</summary>
    public long ReadClipped() => _rounding.ReadClipped();

    /// <inheritdoc/>
    public void Dispose()
    {
        _rounding.Dispose();
        Sums?.Hessian.Dispose();
        Sums?.Cross.Dispose();
        _executor.Dispose();
    }

    private void Begin(int rows) => _executor.Begin(new Batch(new int[rows], new int[rows], [.. Enumerable.Range(0, rows)], []));

    private void End(int rows)
    {
        if (Sums is var (hessian, cross))
        {
            _executor.Prepare(_seen, [_input]);
            hessian.Add(_executor, _input, rows);
            cross.Add(_executor, _exact, _input, rows);
        }

        _executor.End();
    }
}

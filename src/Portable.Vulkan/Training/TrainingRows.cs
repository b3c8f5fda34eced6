using Portable.Reference.BitPlanes;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Training;

/// <summary>An activation on the device, its quantized form and its gradient (Portable.Reference's QuantizedTensor).</summary>
internal sealed class TrainingRows
{
    private readonly int _tokens, _rowsPerToken, _columns, _levels;
    private readonly GroupLayout _layout;
    private readonly ulong _quantized;

    /// <summary>Allocates it.</summary>
    /// <param name="kernels">Owns the memory.</param>
    /// <param name="tokens">T.</param>
    /// <param name="rowsPerToken">1, or the heads of a token.</param>
    /// <param name="columns">Values of a row.</param>
    /// <param name="levels">The largest code; 0 = not quantized.</param>
    /// <param name="group">Columns that share a range; 0 = all.</param>
    /// <param name="backward">Whether gradients are wanted.</param>
    /// <param name="values">Values that lie elsewhere, or 0.</param>
    public TrainingRows(TrainingKernels kernels, int tokens, int rowsPerToken, int columns, int levels, int group, bool backward, ulong values = 0)
    {
        (_tokens, _rowsPerToken, _columns, _levels, _layout) = (tokens, rowsPerToken, columns, levels, new GroupLayout(columns, group));
        long count = (long)tokens * rowsPerToken * columns;
        Values = values != 0 ? values : kernels.Allocate(count).Address;
        _quantized = levels == 0 ? Values : kernels.Allocate(count).Address;
        Gradient = backward ? kernels.Allocate(count).Address : 0;
    }

    /// <summary>Values before the quantizer.</summary>
    public ulong Values { get; }

    /// <summary>Values after it.</summary>
    public ulong Quantized => _quantized;

    /// <summary>∂/∂Quantized, then after <see cref="Backward"/> ∂/∂Values.</summary>
    public ulong Gradient { get; }

    private int GroupColumns => Math.Min(_layout.GroupSize, _columns);

    /// <summary>Adds the quantizer.</summary>
    public void Quantize(TrainingProgram program)
    {
        if (_levels != 0)
        {
            program.Add(
                "quantize",
                new TrainingQuantizeShader { Workgroup = TrainingKernels.Workgroup(GroupColumns) },
                new TrainingQuantizePush(Values, _quantized, (uint)_columns, (uint)GroupColumns, (uint)_layout.Groups, (uint)_rowsPerToken, _levels, 1f / _levels),
                _rowsPerToken * _layout.Groups,
                _tokens);
        }
    }

    /// <summary>Adds the way of the gradient back through it.</summary>
    public void Backward(TrainingProgram program)
    {
        if (_levels != 0)
        {
            program.Add(
                "quantize backward",
                new TrainingQuantizeBackwardShader { Workgroup = TrainingKernels.Workgroup(GroupColumns) },
                new TrainingQuantizeBackwardPush(Values, Gradient, (uint)_columns, (uint)GroupColumns, (uint)_layout.Groups, (uint)_rowsPerToken, _levels, 1f / _levels),
                _rowsPerToken * _layout.Groups,
                _tokens);
        }
    }
}

/// <summary>A norm on the device, with what its gradient needs of one forward pass.</summary>
internal sealed class TrainingDeviceNorm
{
    private readonly int _rows, _columns, _across, _down;
    private readonly float _epsilon;
    private readonly bool _bias;
    private readonly ulong _normalized, _reciprocals;

    /// <summary>Allocates it.</summary>
    /// <param name="kernels">Owns the memory.</param>
    /// <param name="tokens">T.</param>
    /// <param name="runs">Rows of a token.</param>
    /// <param name="columns">Width.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="bias">LayerNorm.</param>
    public TrainingDeviceNorm(TrainingKernels kernels, int tokens, int runs, int columns, float epsilon, bool bias)
    {
        (_rows, _columns, _across, _down, _epsilon, _bias) = (tokens * runs, columns, runs, tokens, epsilon, bias);
        _normalized = kernels.Allocate((long)_rows * columns).Address;
        _reciprocals = kernels.Allocate(_rows).Address;
    }

    /// <summary>Adds y = norm(x); they may be one.</summary>
    public void Forward(TrainingProgram program, ulong x, TrainingVectors norm, ulong y) => program.Add(
        "norm",
        new TrainingNormShader { Workgroup = TrainingKernels.Workgroup(_columns), Bias = _bias },
        new TrainingNormPush(x, norm.Gain, norm.Bias, _normalized, _reciprocals, y, (uint)_columns, 1f / _columns, _epsilon),
        _across,
        _down);

    /// <summary>Adds the gradients.</summary>
    /// <param name="program">The program.</param>
    /// <param name="dy">∂/∂y.</param>
    /// <param name="norm">Gain and bias of the forward pass.</param>
    /// <param name="dx">∂/∂x; 0 where nobody needs it.</param>
    /// <param name="added">Whether it is added to what is there.</param>
    /// <param name="gradient">∂/∂gain and ∂/∂bias; 0 where nobody needs them.</param>
    public void Backward(TrainingProgram program, ulong dy, TrainingVectors norm, ulong dx, bool added, TrainingVectors gradient)
    {
        if (gradient.Gain != 0)
        {
            TrainingKernels.ColumnSums(program, dy, (_normalized, TableType.Float32), 0, gradient.Gain, _rows, _columns);
        }

        if (gradient.Bias != 0)
        {
            TrainingKernels.ColumnSums(program, dy, null, 0, gradient.Bias, _rows, _columns);
        }

        if (dx != 0)
        {
            program.Add(
                "norm backward",
                new TrainingNormBackwardShader { Workgroup = TrainingKernels.Workgroup(_columns), Bias = _bias, Added = added },
                new TrainingNormBackwardPush(dy, norm.Gain, _normalized, _reciprocals, dx, (uint)_columns, 1f / _columns),
                _across,
                _down);
        }
    }
}

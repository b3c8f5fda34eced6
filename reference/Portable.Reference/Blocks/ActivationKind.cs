namespace Portable.Reference.Blocks;

/// <summary>The activation of an MLP.</summary>
internal enum ActivationKind
{
    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>max(x, 0)².</summary>
    SquaredRelu,

    /// <summary>x / (1 + e^−x).</summary>
    Silu,

    /// <summary>x·Φ(x), Φ by tanh: ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).</summary>
    GeluTanh,

    /// <summary>x·Φ(x), Φ by erf.</summary>
    GeluErf,
}

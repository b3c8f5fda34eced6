// Activations of MLPs, not yet canonical (Portable.Reference/Operations/Activation.cs; the host's ActivationKind). Needs contract.glsl.
#ifndef ACTIVATION_GLSL
#define ACTIVATION_GLSL

const uint ACTIVATION_RELU = 0u;
const uint ACTIVATION_SQUARED_RELU = 1u;
const uint ACTIVATION_SILU = 2u;
const uint ACTIVATION_GELU_TANH = 3u;
const uint ACTIVATION_GELU_ERF = 4u;

float activated(uint kind, float x)
{
    precise float v = x >= TINY ? x : 0.0;
    if (kind == ACTIVATION_SQUARED_RELU)
    {
        v = v * v;
    }
    else if (kind == ACTIVATION_SILU)
    {
        v = x * sigmoid(x);
    }
    else if (kind == ACTIVATION_GELU_TANH)
    {
        // (1 + tanh a)/2 is the sigmoid of 2a.
        precise float cube = x * x;
        cube = cube * x;
        precise float a = 0.044715 * cube;
        a = x + a;
        a = a * 1.5957691;
        v = x * sigmoid(a);
    }
    else if (kind == ACTIVATION_GELU_ERF)
    {
        v = x * normalDistribution(x);
    }

    return v;
}

#endif

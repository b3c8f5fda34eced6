#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "activation.glsl"
#include "buffers.glsl"

// The non-linearity of the MLP: h = f(gate)·up or f(up), or its gradients from dh: dup = dh·f(gate), dgate = dh·up·f′(gate); dup = dh·f′(up).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint ACTIVATION = 0;
layout(constant_id = 2) const bool GATED = true;
layout(constant_id = 3) const bool BACKWARD = false;

layout(push_constant) uniform Push
{
    InFloats gate;
    InFloats up;
    Floats h;               // forward: written; backward: dh
    Floats dGate;
    Floats dUp;
    uint columns;
};

// upstream·f′(x), as Portable.Reference's TrainingActivation has it.
float through(float x, float upstream)
{
    if (ACTIVATION == ACTIVATION_RELU)
    {
        return x > 0.0 ? upstream : 0.0;
    }

    if (ACTIVATION == ACTIVATION_SQUARED_RELU)
    {
        precise float twice = x + x;
        precise float slope = upstream * twice;
        return x > 0.0 ? slope : 0.0;
    }

    if (ACTIVATION == ACTIVATION_SILU)
    {
        float s = sigmoid(x);
        precise float rest = 1.0 - s;
        precise float product = x * rest;
        precise float sum = 1.0 + product;
        precise float slope = s * sum;
        precise float result = upstream * slope;
        return result;
    }

    if (ACTIVATION == ACTIVATION_GELU_TANH)
    {
        precise float square = x * x;
        precise float cube = square * x;
        precise float small = 0.044715 * cube;
        precise float inner = x + small;
        precise float scaled = inner * 1.5957691;
        float s = sigmoid(scaled);
        precise float rest = 1.0 - s;
        precise float spread = s * rest;
        precise float weighted = x * spread;
        precise float three = 0.134145 * square;
        precise float one = 1.0 + three;
        precise float slope = 1.5957691 * one;
        precise float part = weighted * slope;
        precise float sum = s + part;
        precise float result = upstream * sum;
        return result;
    }

    precise float square = x * x;
    precise float exponent = -0.5 * square;
    precise float density = 0.39894228 * contractExp(exponent);
    precise float part = x * density;
    precise float sum = normalDistribution(x) + part;
    precise float result = upstream * sum;
    return result;
}

void main()
{
    for (uint k = gl_GlobalInvocationID.x; k < columns; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint at = gl_WorkGroupID.y * columns + k;
        if (!BACKWARD)
        {
            precise float v = activated(ACTIVATION, GATED ? gate.v[at] : up.v[at]);
            if (GATED)
            {
                v = v * up.v[at];
            }

            h.v[at] = canonical(v);
        }
        else if (GATED)
        {
            float d = h.v[at], g = gate.v[at];
            precise float toUp = activated(ACTIVATION, g) * d;
            precise float upstream = d * up.v[at];
            dUp.v[at] = canonical(toUp);
            dGate.v[at] = through(g, upstream);
        }
        else
        {
            dUp.v[at] = through(up.v[at], h.v[at]);
        }
    }
}

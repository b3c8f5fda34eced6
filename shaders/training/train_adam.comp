#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"

// AdamW without decay (Portable.Reference's AdamW): rows along y; a row's learning rate may have a factor of its own.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool ROW_RATES = false;
#include "training.glsl"

layout(push_constant) uniform Push
{
    Floats values;
    InFloats gradient;
    Floats first;
    Floats second;
    InFloats rowRates;
    InFloats step;          // factor of the schedule, 1/(1 − β₁ᵗ), 1/(1 − β₂ᵗ)
    uint columns;
    float rate;
    float beta1;
    float beta2;
    float epsilon;
};

void main()
{
    precise float eta = rate * step.v[0];
    if (ROW_RATES)
    {
        eta = eta * rowRates.v[gl_WorkGroupID.y];
    }

    precise float rest1 = 1.0 - beta1;
    precise float rest2 = 1.0 - beta2;
    for (uint k = gl_GlobalInvocationID.x; k < columns; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint at = gl_WorkGroupID.y * columns + k;
        float g = gradient.v[at];
        precise float kept1 = first.v[at] * beta1;
        precise float new1 = g * rest1;
        precise float m = kept1 + new1;
        precise float kept2 = second.v[at] * beta2;
        precise float square = g * g;
        precise float new2 = square * rest2;
        precise float v = kept2 + new2;
        first.v[at] = m;
        second.v[at] = v;
        precise float above = m * step.v[1];
        precise float corrected = v * step.v[2];
        precise float below = squareRoot(corrected) + epsilon;
        precise float move = quotient(above, below) * eta;
        precise float moved = values.v[at] - move;
        values.v[at] = moved;
    }
}

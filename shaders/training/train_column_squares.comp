#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// Σ x² of every column in f64, in the order of the rows, on top of what is there.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;

layout(push_constant) uniform Push
{
    InFloats x;
    Doubles sums;
    uint rows;
    uint columns;
};

void main()
{
    const uint AHEAD = 16u;
    uint k = gl_GlobalInvocationID.x;
    if (k >= columns)
    {
        return;
    }

    precise double total = sums.v[k];
    for (uint row = 0u; row < rows; row += AHEAD)
    {
        float v[AHEAD];
        [[unroll]] for (uint i = 0u; i < AHEAD; i++)
        {
            v[i] = row + i < rows ? x.v[(row + i) * columns + k] : 0.0;
        }

        [[unroll]] for (uint i = 0u; i < AHEAD; i++)
        {
            precise double square = double(v[i]) * double(v[i]);
            total = total + square;
        }
    }

    sums.v[k] = total;
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// Σ x² of every column over rows in f64, row after row, on top of what is there; an invocation a column.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 32;

const uint STRETCH = 16u;

layout(push_constant) uniform Push
{
    InFloats x;
    Doubles squares;
    uint columns;
    uint rows;
};

void main()
{
    uint column = gl_GlobalInvocationID.x;
    if (column >= columns)
    {
        return;
    }

    double total = squares.v[column];
    for (uint row = 0u; row < rows; row += STRETCH)
    {
        float v[STRETCH];
        [[unroll]] for (uint i = 0u; i < STRETCH; i++)
        {
            v[i] = row + i < rows ? x.v[(row + i) * columns + column] : 0.0;
        }

        [[unroll]] for (uint i = 0u; i < STRETCH; i++)
        {
            precise double square = double(v[i]) * double(v[i]);
            precise double sum = total + square;
            total = sum;
        }
    }

    squares.v[column] = total;
}

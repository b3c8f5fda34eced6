#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "doubles.glsl"

// Σ (ŷ·f − y)² and Σ y² of every row in f64, column after column, unfused; a workgroup a row.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const bool SCALES = false;

layout(push_constant) uniform Push
{
    InFloats exact;
    InFloats approximate;
    Doubles errors;     // rows × 2
    InFloats factors;   // f of each column
    uint columns;
};

shared double differences[WORKGROUP];
shared double norms[WORKGROUP];

void main()
{
    uint row = gl_WorkGroupID.x, from = row * columns;
    double total = 0.0LF;
    for (uint begin = 0u; begin < columns; begin += WORKGROUP)
    {
        uint k = begin + gl_LocalInvocationIndex;
        if (k < columns)
        {
            double y = double(exact.v[from + k]);
            precise double scaled = double(approximate.v[from + k]) * (SCALES ? double(factors.v[k]) : 1.0LF);
            precise double e = scaled - y;
            precise double difference = e * e;
            precise double norm = y * y;
            differences[gl_LocalInvocationIndex] = difference;
            norms[gl_LocalInvocationIndex] = norm;
        }

        barrier();
        for (uint i = 0u; i < WORKGROUP && begin + i < columns && gl_LocalInvocationIndex < 2u; i++)
        {
            precise double sum = total + (gl_LocalInvocationIndex == 0u ? differences[i] : norms[i]);
            total = sum;
        }

        barrier();
    }

    if (gl_LocalInvocationIndex < 2u)
    {
        errors.v[2u * row + gl_LocalInvocationIndex] = total;
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"
#include "doubles.glsl"
#include "training.glsl"

// What a flattened layer sees of its input: x̂ = s·clamp(round half away(x/f · 1/s), ±limit), and how many values of each column are beyond their
// limit, on top of what is there; workgroup (columns, stretch of rows).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint STRETCH = 64;
layout(constant_id = 2) const bool DIVIDES = false;

layout(push_constant) uniform Push
{
    InFloats x;
    InFloats limits;
    InFloats factors;
    Floats exact;
    Floats seen;
    Words clipped;
    uint columns;
    uint rows;
    float scale;
    float inverse;
};

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex;
    if (column >= columns)
    {
        return;
    }

    float limit = limits.v[column], factor = DIVIDES ? factors.v[column] : 1.0;
    uint beyond = 0u, end = min(rows, (gl_WorkGroupID.y + 1u) * STRETCH);
    for (uint row = gl_WorkGroupID.y * STRETCH; row < end; row++)
    {
        uint i = row * columns + column;
        float value = DIVIDES ? quotient(x.v[i], factor) : x.v[i];
        precise float wide = value * inverse;
        float code = roundHalfAway(wide);
        beyond += abs(code) > limit ? 1u : 0u;
        precise float rounded = clamp(code, -limit, limit) * scale;
        exact.v[i] = value;
        seen.v[i] = rounded;
    }

    atomicAdd(clipped.v[column], beyond);
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 4
#include "contract.glsl"
#include "buffers.glsl"

// What the losses of a token need: Σ (y − t)², Σ y², Σ t², Σ y·t.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
#include "training.glsl"

layout(push_constant) uniform Push
{
    InFloats y;
    InFloats target;
    Floats sums;            // [token × 4]
    uint columns;
};

void main()
{
    uint first = gl_WorkGroupID.x * columns;
    beginSums();
    for (uint base = 0u; base < columns; base += STAGE)
    {
        uint count = min(STAGE, columns - base);
        for (uint j = gl_LocalInvocationIndex; j < count; j += WORKGROUP)
        {
            float a = y.v[first + base + j], b = target.v[first + base + j];
            precise float d = a - b;
            precise float dd = d * d;
            precise float aa = a * a;
            precise float bb = b * b;
            precise float ab = a * b;
            stage[j] = dd;
            stage[STAGE + j] = aa;
            stage[2u * STAGE + j] = bb;
            stage[3u * STAGE + j] = ab;
        }

        addStage(count);
    }

    endSums();
    if (gl_LocalInvocationIndex < 4u)
    {
        sums.v[gl_WorkGroupID.x * 4u + gl_LocalInvocationIndex] = rowSum(gl_LocalInvocationIndex);
    }
}

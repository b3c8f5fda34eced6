#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 2
#include "contract.glsl"
#include "buffers.glsl"

// dx (+)= r·(g − x̂·mean(g·x̂) − mean(g)) with g = dy·gain; mean(g) of LayerNorm alone.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool BIAS = false;
layout(constant_id = 2) const bool ADDED = true;        // to what dx holds
#include "training.glsl"

layout(push_constant) uniform Push
{
    InFloats dy;
    InFloats gain;
    InFloats normalized;
    InFloats reciprocals;
    Floats dx;
    uint columns;
    float inverseColumns;
};

void main()
{
    uint row = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x, first = row * columns;
    beginSums();
    for (uint base = 0u; base < columns; base += STAGE)
    {
        uint count = min(STAGE, columns - base);
        for (uint j = gl_LocalInvocationIndex; j < count; j += WORKGROUP)
        {
            uint k = base + j;
            precise float g = dy.v[first + k] * gain.v[k];
            precise float product = g * normalized.v[first + k];
            stage[j] = product;
            stage[STAGE + j] = g;
        }

        addStage(count);
    }

    endSums();
    precise float along = rowSum(0u) * inverseColumns;
    precise float average = rowSum(1u) * inverseColumns;
    float mean = BIAS ? average : 0.0, r = reciprocals.v[row];
    for (uint k = gl_LocalInvocationIndex; k < columns; k += WORKGROUP)
    {
        precise float g = dy.v[first + k] * gain.v[k];
        precise float part = normalized.v[first + k] * along;
        precise float rest = g - part;
        precise float centred = rest - mean;
        precise float result = r * centred;
        precise float sum = (ADDED ? dx.v[first + k] : 0.0) + result;
        dx.v[first + k] = sum;
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// ∂/∂ probabilities of a query to ∂/∂ its products, in place: scale·P∘(dP − Σ P∘dP), with a gradient on the mean over heads of P where there is one.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool CAPPED = false;
layout(constant_id = 2) const bool MEAN = false;
#include "training.glsl"

layout(push_constant) uniform Push
{
    Floats gradient;        // [head × query × key]
    InFloats probabilities;
    InFloats slopes;
    InFloats mean;          // [query × key]
    uint tokens;
    float scale;
    float inverseHeads;
};

float upstream(uint at, uint k)
{
    precise float part = MEAN ? mean.v[gl_WorkGroupID.y * tokens + k] * inverseHeads : 0.0;
    precise float sum = gradient.v[at] + part;
    return MEAN ? sum : gradient.v[at];
}

void main()
{
    uint token = gl_WorkGroupID.y, first = (gl_WorkGroupID.x * tokens + token) * tokens, count = token + 1u;
    uint end = min(token / 128u * 128u + 128u, tokens);
    beginSums();
    for (uint base = 0u; base < count; base += STAGE)
    {
        uint part = min(STAGE, count - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint k = base + j;
            precise float product = upstream(first + k, k) * probabilities.v[first + k];
            stage[j] = product;
        }

        addStage(part);
    }

    endSums();
    float along = rowSum(0u);
    for (uint k = gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        uint at = first + k;
        float result = 0.0;
        if (k < count)
        {
            precise float rest = upstream(at, k) - along;
            precise float weighted = rest * probabilities.v[at];
            precise float scaled = weighted * scale;
            if (CAPPED)
            {
                scaled = scaled * (probabilities.v[at] == 0.0 ? 0.0 : slopes.v[at]);
            }

            result = scaled;
        }

        gradient.v[at] = result;
    }
}

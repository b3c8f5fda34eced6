#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// Products of a query with keys to probabilities, in place: workgroup (head, query). 0 for what the query does not see, up to the end of its run
// of 128. With a softcap the slopes 1 − tanh² are kept.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool CAPPED = false;
#include "training.glsl"
#include "workgroup.glsl"

layout(push_constant) uniform Push
{
    Floats scores;          // [head × query × key]
    Floats slopes;
    uint tokens;
    uint window;            // 0 = all before
    float scale;
    float cap;
    float inverseCap;
};

float score(float product)
{
    precise float s = CAPPED ? product : product * scale;
    return s;
}

void main()
{
    uint token = gl_WorkGroupID.y, first = (gl_WorkGroupID.x * tokens + token) * tokens;
    uint begin = window == 0u || token + 1u < window ? 0u : token + 1u - window, count = token + 1u - begin;
    uint end = min(token / 128u * 128u + 128u, tokens);
    vec2 highest = vec2(-INFINITE, 0.0);
    for (uint k = gl_LocalInvocationIndex; k < count; k += WORKGROUP)
    {
        float v = scores.v[first + begin + k];
        if (CAPPED)
        {
            precise float scaled = v * scale;
            scaled = scaled * inverseCap;
            precise float bent = contractTanh(scaled);
            precise float square = bent * bent;
            precise float slope = 1.0 - square;
            slopes.v[first + begin + k] = slope;
            precise float capped = cap * bent;
            scores.v[first + begin + k] = v = isFinite(v) ? capped : v;
        }

        highest = max(highest, isFinite(v) ? vec2(v, 0.0) : vec2(0.0, 1.0));
    }

    highest = workgroupMaximum(highest);
    float maximum = score(highest.x);
    beginSums();
    for (uint base = 0u; base < count; base += STAGE)
    {
        uint part = min(STAGE, count - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint at = first + begin + base + j;
            precise float distance = score(scores.v[at]) - maximum;
            float e = contractExp(distance);
            stage[j] = e;
            scores.v[at] = e;
        }

        addStage(part);
    }

    endSums();
    float inverse = highest.y == 0.0 ? quotient(1.0, rowSum(0u)) : NOT_A_NUMBER;
    for (uint k = gl_LocalInvocationIndex; k < count; k += WORKGROUP)
    {
        precise float p = scores.v[first + begin + k] * inverse;
        scores.v[first + begin + k] = p;
    }

    for (uint k = gl_LocalInvocationIndex; k < begin; k += WORKGROUP)
    {
        scores.v[first + k] = 0.0;
    }

    for (uint k = token + 1u + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        scores.v[first + k] = 0.0;
    }
}

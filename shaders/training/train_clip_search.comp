#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// The clip factors of a group of a row that leave the least Σ h·(W' − Ŵ)²: one for both ends, then each end alone: workgroup (group, row).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
layout(constant_id = 2) const bool RANK_ONE = false;
layout(constant_id = 3) const bool OFFSET = false;
layout(constant_id = 4) const bool HALF_SCALES = true;
#include "training.glsl"
#include "workgroup.glsl"
#include "affine.glsl"
#include "training_table.glsl"
#include "training_weights.glsl"

layout(push_constant) uniform Push
{
    Transformed source;
    InFloats importance;    // h
    InFloats candidates;    // factors for both ends, in order
    Floats low;             // [row × groups + group]
    Floats high;
    uint columns;
    uint groupColumns;
    uint count;             // of the candidates
    float levels;
    float inverseLevels;
};

const float LARGEST = 0.98201379;

vec2 found;
float best, bestLow, bestHigh;

float errorOf(float clipLow, float clipHigh)
{
    uint n = gl_WorkGroupID.y, begin = gl_WorkGroupID.x * groupColumns, length = min(groupColumns, columns - begin);
    AffineRange range = affineRange(found, levels, inverseLevels, clipLow, clipHigh, HALF_SCALES);
    beginSums();
    for (uint base = 0u; base < length; base += STAGE)
    {
        uint part = min(STAGE, length - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint k = begin + base + j;
            float v = transformed(source, n, k, columns);
            precise float off = dequantized(v, levels, range) - v;
            precise float square = off * off;
            precise float term = square * importance.v[k];
            stage[j] = term;
        }

        addStage(part);
    }

    endSums();
    float error = rowSum(0u);
    barrier();
    return error;
}

void attempt(float clipLow, float clipHigh)
{
    float error = errorOf(clipLow, clipHigh);
    if (error < best)
    {
        best = error;
        bestLow = clipLow;
        bestHigh = clipHigh;
    }
}

float around(float centre, int step)
{
    precise float shift = 0.03 * float(step);
    precise float moved = centre + shift;
    return min(max(moved, 0.2), LARGEST);
}

void main()
{
    uint n = gl_WorkGroupID.y, begin = gl_WorkGroupID.x * groupColumns, end = min(begin + groupColumns, columns);
    found = vec2(0.0);
    for (uint k = begin + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        found = extremes(found, transformed(source, n, k, columns));
    }

    found = workgroupMaximum(found);
    bestLow = LARGEST;
    bestHigh = LARGEST;
    best = errorOf(LARGEST, LARGEST);
    for (uint i = 0u; i < count; i++)
    {
        attempt(candidates.v[i], candidates.v[i]);
    }

    float centreLow = bestLow, centreHigh = bestHigh;
    for (int i = -4; i <= 4; i++)
    {
        attempt(around(centreLow, i), bestHigh);
    }

    for (int i = -4; i <= 4; i++)
    {
        attempt(bestLow, around(centreHigh, i));
    }

    if (gl_LocalInvocationIndex == 0u)
    {
        low.v[n * gl_NumWorkGroups.x + gl_WorkGroupID.x] = bestLow;
        high.v[n * gl_NumWorkGroups.x + gl_WorkGroupID.x] = bestHigh;
    }
}

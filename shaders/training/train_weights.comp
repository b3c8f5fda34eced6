#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "contract.glsl"
#include "buffers.glsl"

// A group of a row of weights from the present parameters: workgroup (group, row). W' is clipped and quantized; kept are Ŵ and the range, or the codes.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
layout(constant_id = 2) const bool RANK_ONE = false;
layout(constant_id = 3) const bool OFFSET = false;
layout(constant_id = 4) const bool CLIPPED = false;
layout(constant_id = 5) const bool QUANTIZED = true;
layout(constant_id = 6) const bool CODES = false;           // four codes a word, rows of whole words; result is zeros
layout(constant_id = 7) const bool HALF_SCALES = true;
#include "training.glsl"
#include "workgroup.glsl"
#include "affine.glsl"
#include "training_table.glsl"
#include "training_weights.glsl"

layout(push_constant) uniform Push
{
    Transformed source;
    InFloats lowLogits;     // [row × groups + group]
    InFloats highLogits;
    Ranges ranges;
    Floats result;          // Ŵ, or codes
    uint columns;
    uint groupColumns;
    float levels;
    float inverseLevels;
};

float clip(float logit)
{
    return sigmoid(logit);
}

void main()
{
    uint n = gl_WorkGroupID.y, groups = gl_NumWorkGroups.x, at = n * groups + gl_WorkGroupID.x;
    uint begin = gl_WorkGroupID.x * groupColumns, end = min(begin + groupColumns, columns);
    if (!QUANTIZED)
    {
        for (uint k = begin + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
        {
            result.v[n * columns + k] = transformed(source, n, k, columns);
        }

        return;
    }

    vec2 found = vec2(0.0);
    for (uint k = begin + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        found = extremes(found, transformed(source, n, k, columns));
    }

    float clipLow = CLIPPED ? clip(lowLogits.v[at]) : 1.0, clipHigh = CLIPPED ? clip(highLogits.v[at]) : 1.0;
    AffineRange range = affineRange(workgroupMaximum(found), levels, inverseLevels, clipLow, clipHigh, HALF_SCALES);
    if (gl_LocalInvocationIndex == 0u)
    {
        ranges.v[at] = range;
    }

    if (CODES)
    {
        // Groups may share a word.
        uint words = (columns + 3u) / 4u;
        for (uint word = begin / 4u + gl_LocalInvocationIndex; word * 4u < end; word += WORKGROUP)
        {
            uint packed = 0u;
            for (uint k = max(begin, word * 4u); k < min(word * 4u + 4u, end); k++)
            {
                packed |= uint(affineCode(transformed(source, n, k, columns), levels, range)) << (8u * (k % 4u));
            }

            atomicOr(Words(result).v[n * words + word], packed);
        }

        return;
    }

    for (uint k = begin + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        result.v[n * columns + k] = dequantized(transformed(source, n, k, columns), levels, range);
    }
}

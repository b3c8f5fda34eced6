#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// ∂loss/∂Ŵ of a group of a row to ∂loss/∂W' in place, and the gradients of the logits of its clip factors: workgroup (group, row).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
layout(constant_id = 2) const bool RANK_ONE = false;
layout(constant_id = 3) const bool OFFSET = false;
layout(constant_id = 4) const bool CLIPPED = false;
#include "training.glsl"
#include "workgroup.glsl"
#include "affine.glsl"
#include "affine_share.glsl"
#include "training_table.glsl"
#include "training_weights.glsl"

layout(push_constant) uniform Push
{
    Transformed source;
    Ranges ranges;
    Floats gradient;
    Floats lowGradient;
    Floats highGradient;
    uint columns;
    uint groupColumns;
    float levels;
    float inverseLevels;
};

void main()
{
    uint n = gl_WorkGroupID.y, groups = gl_NumWorkGroups.x, at = n * groups + gl_WorkGroupID.x;
    uint begin = gl_WorkGroupID.x * groupColumns, end = min(begin + groupColumns, columns), count = end - begin;
    AffineRange range = ranges.v[at];
    uvec3 ties = uvec3(0u);
    beginSums();
    for (uint base = 0u; base < count; base += STAGE)
    {
        uint part = min(STAGE, count - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint k = begin + base + j;
            float v = transformed(source, n, k, columns), g = gradient.v[n * columns + k];
            stage[j] = affineSlope(v, g, levels, range);
            gradient.v[n * columns + k] = g;
            ties += tiesOf(v, range);
        }

        addStage(part);
    }

    endSums();
    ties = workgroupAdd(ties);
    Shares shares = sharesOf(rowSum(0u), ties, inverseLevels, range);
    bool free = range.isFree == 1.0;
    if (free)
    {
        for (uint k = begin + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
        {
            gradient.v[n * columns + k] = withShares(transformed(source, n, k, columns), gradient.v[n * columns + k], shares, range);
        }
    }

    if (CLIPPED && gl_LocalInvocationIndex == 0u)
    {
        precise float low = free ? shares.toLow * range.minimum : 0.0;
        precise float high = free ? shares.toHigh * range.maximum : 0.0;
        precise float restLow = 1.0 - range.clipLow;
        precise float restHigh = 1.0 - range.clipHigh;
        low = low * range.clipLow;
        high = high * range.clipHigh;
        low = low * restLow;
        high = high * restHigh;
        lowGradient.v[at] = low;
        highGradient.v[at] = high;
    }
}

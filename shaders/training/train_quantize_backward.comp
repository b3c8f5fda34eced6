#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// The gradient of a row (or group) back through the quantizer, in place: straight through where the code was not clamped, and the elements that
// attain the extremes share that of the scale.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
#include "training.glsl"
#include "workgroup.glsl"
#include "affine.glsl"
#include "affine_share.glsl"

layout(push_constant) uniform Push
{
    InFloats x;
    Floats gradient;
    uint columns;
    uint groupColumns;
    uint groups;
    uint rowsPerToken;
    float levels;
    float inverseLevels;
};

void main()
{
    uint row = gl_WorkGroupID.y * rowsPerToken + gl_WorkGroupID.x / groups, begin = gl_WorkGroupID.x % groups * groupColumns;
    uint first = row * columns + begin, count = min(groupColumns, columns - begin);
    vec2 found = vec2(0.0);
    for (uint k = gl_LocalInvocationIndex; k < count; k += WORKGROUP)
    {
        found = extremes(found, x.v[first + k]);
    }

    AffineRange range = affineRange(workgroupMaximum(found), levels, inverseLevels, 1.0, 1.0, false);
    uvec3 ties = uvec3(0u);
    beginSums();
    for (uint base = 0u; base < count; base += STAGE)
    {
        uint part = min(STAGE, count - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint at = first + base + j;
            float v = x.v[at], g = gradient.v[at];
            stage[j] = affineSlope(v, g, levels, range);
            gradient.v[at] = g;
            ties += tiesOf(v, range);
        }

        addStage(part);
    }

    endSums();
    ties = workgroupAdd(ties);
    Shares shares = sharesOf(rowSum(0u), ties, inverseLevels, range);
    if (range.isFree == 1.0)
    {
        for (uint k = gl_LocalInvocationIndex; k < count; k += WORKGROUP)
        {
            gradient.v[first + k] = withShares(x.v[first + k], gradient.v[first + k], shares, range);
        }
    }
}

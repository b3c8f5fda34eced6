#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "contract.glsl"
#include "buffers.glsl"

// A row of activations, or a group of its columns, through the runtime's quantizer: workgroup (group of a token, token).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
#include "training.glsl"
#include "workgroup.glsl"
#include "affine.glsl"

layout(push_constant) uniform Push
{
    InFloats x;
    Floats y;
    uint columns;           // of a row
    uint groupColumns;
    uint groups;            // of a row
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
    for (uint k = gl_LocalInvocationIndex; k < count; k += WORKGROUP)
    {
        y.v[first + k] = dequantized(x.v[first + k], levels, range);
    }
}

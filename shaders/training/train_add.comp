#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"

// y = a + b, rows along y; b a row of its own for each, or one for all (a bias).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool ONE_ROW = false;

layout(push_constant) uniform Push
{
    InFloats a;
    InFloats b;
    Floats y;
    uint columns;
};

void main()
{
    for (uint k = gl_GlobalInvocationID.x; k < columns; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint at = gl_WorkGroupID.y * columns + k;
        precise float sum = a.v[at] + b.v[ONE_ROW ? k : at];
        y.v[at] = sum;
    }
}

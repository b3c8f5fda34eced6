#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"

// max|x| of every column over rows, on top of what is there; workgroup (columns, stretch of rows). Magnitudes are compared as their bits: NaN and
// infinity win.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint STRETCH = 64;

layout(push_constant) uniform Push
{
    InWords x;
    Words maxima;
    uint columns;
    uint rows;
};

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex;
    if (column >= columns)
    {
        return;
    }

    uint highest = 0u, end = min(rows, (gl_WorkGroupID.y + 1u) * STRETCH);
    for (uint row = gl_WorkGroupID.y * STRETCH; row < end; row++)
    {
        highest = max(highest, x.v[row * columns + column] & 0x7FFFFFFFu);
    }

    atomicMax(maxima.v[column], highest);
}

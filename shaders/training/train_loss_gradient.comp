#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"

// dy = (u₁·y + v₁·t₁) + (u₂·y + v₂·t₂), u and v per token: the gradient of both teachers' losses.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool BOTH = true;

layout(push_constant) uniform Push
{
    InFloats y;
    InFloats first;
    InFloats second;
    InFloats factors;       // [token × 4]: u₁, v₁, u₂, v₂
    Floats dy;
    uint columns;
};

void main()
{
    uint token = gl_WorkGroupID.y;
    for (uint k = gl_GlobalInvocationID.x; k < columns; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint at = token * columns + k;
        precise float a = factors.v[token * 4u] * y.v[at];
        precise float b = factors.v[token * 4u + 1u] * first.v[at];
        precise float sum = a + b;
        if (BOTH)
        {
            precise float c = factors.v[token * 4u + 2u] * y.v[at];
            precise float d = factors.v[token * 4u + 3u] * second.v[at];
            precise float other = c + d;
            sum = sum + other;
        }

        dy.v[at] = sum;
    }
}

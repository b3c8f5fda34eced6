#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"

// Rows of heads from one order to the other, [token][head] ↔ [head][token]; with GROUP > 1 the heads that share one of the result are added in
// their order, from 0.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool TOKENS_FIRST = false;    // what is written is [token][head]
layout(constant_id = 2) const uint GROUP = 1;

layout(push_constant) uniform Push
{
    InFloats x;
    Floats y;
    uint tokens;
    uint heads;             // of y
    uint headSize;
};

void main()
{
    uint token = gl_WorkGroupID.y;
    for (uint k = gl_GlobalInvocationID.x; k < heads * headSize; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint head = k / headSize, column = k % headSize;
        uint byToken = (token * heads + head) * headSize + column;
        if (!TOKENS_FIRST)
        {
            y.v[(head * tokens + token) * headSize + column] = x.v[byToken];
        }
        else if (GROUP == 1u)
        {
            y.v[byToken] = x.v[(head * tokens + token) * headSize + column];
        }
        else
        {
            float total = 0.0;
            for (uint i = 0u; i < GROUP; i++)
            {
                precise float sum = total + x.v[((head * GROUP + i) * tokens + token) * headSize + column];
                total = sum;
            }

            y.v[byToken] = total;
        }
    }
}

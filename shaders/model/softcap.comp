#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"

// logits = c·tanh(logits / c), in place: behind a head of codes, whose matmul knows nothing of it.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const float SOFTCAP = 1.0;          // c
layout(constant_id = 2) const float INVERSE_SOFTCAP = 1.0;  // fl(1/c)

layout(push_constant) uniform Push
{
    Floats logits;
    uint vocabulary;
};

void main()
{
    uint column = gl_GlobalInvocationID.x, at = gl_WorkGroupID.y * vocabulary + column;
    if (column < vocabulary)
    {
        logits.v[at] = softcapped(logits.v[at], SOFTCAP, INVERSE_SOFTCAP);
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"

// y −= x in f32, one invocation a value: what one stream lacks of another.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;

layout(push_constant) uniform Push
{
    InFloats x;
    Floats y;
    uint count;
};

void main()
{
    uint i = gl_GlobalInvocationID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x * WORKGROUP;
    if (i < count)
    {
        precise float lacking = y.v[i] - x.v[i];
        y.v[i] = lacking;
    }
}

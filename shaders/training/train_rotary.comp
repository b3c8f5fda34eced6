#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"

// Rotary positions of half-split pairs (i, i + pairs) in place, or the transposed rotation: row y is a token, invocations are pairs of its heads.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool BACKWARD = false;

layout(push_constant) uniform Push
{
    Floats x;
    InFloats cosines;       // [token × pairs]
    InFloats sines;
    uint heads;
    uint headSize;
    uint pairs;
};

void main()
{
    uint token = gl_WorkGroupID.y;
    for (uint at = gl_GlobalInvocationID.x; at < heads * pairs; at += gl_NumWorkGroups.x * WORKGROUP)
    {
        uint i = at % pairs, left = (token * heads + at / pairs) * headSize + i, right = left + pairs;
        float c = cosines.v[token * pairs + i], s = BACKWARD ? -sines.v[token * pairs + i] : sines.v[token * pairs + i];
        float a = x.v[left], b = x.v[right];
        precise float ac = a * c;
        precise float bs = b * s;
        precise float bc = b * c;
        precise float as = a * s;
        precise float turnedLeft = ac - bs;
        precise float turnedRight = bc + as;
        x.v[left] = turnedLeft;
        x.v[right] = turnedRight;
    }
}

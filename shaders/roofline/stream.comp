// Roofline: reads a buffer once, 16 bytes per invocation and step, and writes almost nothing.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint UNROLL = 8; // loads in flight per invocation

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer Vectors { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) writeonly restrict buffer Words { uint v[]; };
layout(push_constant) uniform Arguments {
    Vectors source;
    Words sink;
    uint vectors; // 16-byte elements
} a;

void main() {
    uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
    uint first = gl_WorkGroupID.x * gl_WorkGroupSize.x * UNROLL + gl_LocalInvocationID.x;
    uvec4 sum = uvec4(0);
    for (uint i = first; i < a.vectors; i += stride * UNROLL) {
        uvec4 loaded[UNROLL];
        [[unroll]] for (uint u = 0; u < UNROLL; u++) {
            uint index = i + u * gl_WorkGroupSize.x;
            loaded[u] = a.source.v[min(index, a.vectors - 1)];
        }
        [[unroll]] for (uint u = 0; u < UNROLL; u++) {
            sum ^= loaded[u];
        }
    }
    uint folded = sum.x ^ sum.y ^ sum.z ^ sum.w;
    // The buffers hold no pattern that folds to this; the compiler cannot know.
    if (folded == 0x9e3779b9u) {
        a.sink.v[0] = folded;
    }
}

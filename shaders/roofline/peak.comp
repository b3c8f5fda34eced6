// Rooflines of arithmetic in registers: packed dot products with an add, or AND + bitCount + add.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_integer_dot_product : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint KIND = 0; // 0 dot products, 1 bit counts
layout(constant_id = 2) const uint CHAINS = 8; // independent sums per invocation

layout(buffer_reference, std430, buffer_reference_align = 4) writeonly restrict buffer Words { uint v[]; };
layout(push_constant) uniform Arguments {
    Words sink;
    uint loops; // steps of CHAINS operations
    uint seed;
} a;

void main() {
    int sum[CHAINS];
    [[unroll]] for (uint i = 0; i < CHAINS; i++) {
        sum[i] = int(gl_LocalInvocationID.x * a.seed + i);
    }
    int other = int(a.seed);
    for (uint l = 0; l < a.loops; l++) {
        [[unroll]] for (uint i = 0; i < CHAINS; i++) {
            if (KIND == 0) {
                sum[i] += dotPacked4x8EXT(sum[i], other);
            } else {
                sum[i] += bitCount(sum[i] & other);
            }
        }
    }
    int total = 0;
    [[unroll]] for (uint i = 0; i < CHAINS; i++) {
        total ^= sum[i];
    }
    if (total == 0x1234567) {
        a.sink.v[0] = uint(total);
    }
}

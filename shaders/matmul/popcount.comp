// AND + bitCount over planes, the decomposition itself: for few planes and few tokens. A subgroup owns one row of the
// weights and one token; its invocations share the blocks and add their sums. Activation planes are cut from the bytes in
// registers: stored x has X_BITS planes, the top one negative where X_SIGNED.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_basic : require
#include "matmul.glsl"

layout(local_size_x_id = 7) in;
layout(constant_id = 7) const uint INVOCATIONS = 128;
layout(constant_id = 8) const uint X_BITS = 8; // planes of a stored activation digit
layout(constant_id = 9) const uint X_SIGNED = 1;

// Bit 8·c + i of plane j = bit j of code 4·i + c of a chunk.
uint planeOf(uint d[8], int j) {
    uint t = 0;
    [[unroll]] for (int i = 0; i < 8; i++) {
        t |= ((d[i] >> j) & 0x01010101u) << i;
    }
    return t;
}

// Plane j of chunk h, in the same bit order, straight from the fields.
uint weightPlane(Block b, uint h, int j) {
    if (BITS == 8) {
        uint d[8];
        expandChunk(b, h, d);
        return planeOf(d, j);
    }
    uint t = 0;
    if (j < (BITS & 4)) {
        uvec4 n = h == 0 ? b.f0 : b.f1;
        [[unroll]] for (int a = 0; a < 4; a++) {
            t |= ((n[a] >> j) & 0x11111111u) << a;
        }
    } else if (j < (BITS & 6)) {
        uvec2 q = h == 0 ? b.f2.xy : b.f2.zw;
        int bit = j - int(BITS & 4);
        t = ((q.x >> bit) & 0x55555555u) | (((q.y >> bit) & 0x55555555u) << 1);
    } else {
        t = h == 0 ? b.last.x : b.last.y;
    }
    return t;
}

int blockSum(Block w, uint digit, uint at) {
    int sum = 0;
    [[unroll]] for (uint h = 0; h < 2; h++) {
        uvec4 x0 = activationVector(digit, at + h * 2), x1 = activationVector(digit, at + h * 2 + 1);
        uint d[8] = uint[8](x0.x, x0.y, x0.z, x0.w, x1.x, x1.y, x1.z, x1.w);
        [[unroll]] for (int j = 0; j < X_BITS; j++) {
            uint xp = planeOf(d, j);
            int part = 0;
            [[unroll]] for (int i = 0; i < BITS; i++) {
                int count = int(bitCount(xp & weightPlane(w, h, i)));
                part += BITS == 8 && i == 7 ? -(count << i) : count << i;
            }
            sum += X_SIGNED != 0 && j == X_BITS - 1 ? -(part << j) : part << j;
        }
    }
    return sum;
}

void main() {
    uint n = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID, m = gl_WorkGroupID.y;
    if (n >= arg.n) {
        return;
    }
    uint blocks = blockCount(), groups = groupCount();
    precise float y = 0.0;
    for (uint g = 0; g < groups; g++) {
        uint first = g * GROUP_BLOCKS, end = GROUP_BLOCKS == 0 ? blocks : min(first + GROUP_BLOCKS, blocks);
        int acc[2] = int[2](0, 0);
        for (uint b = first + gl_SubgroupInvocationID; b < end; b += gl_SubgroupSize) {
            Block w = loadBlock(arg.w, (n >> 5) * blocks + b, n & 31);
            [[unroll]] for (uint digit = 0; digit < DIGITS; digit++) {
                acc[digit] += blockSum(w, digit, activationAt(m, blocks, b));
            }
        }
        int low = correctedSumOf(subgroupAdd(acc[0]), g, m, n, 0);
        int high = DIGITS == 2 ? correctedSumOf(subgroupAdd(acc[1]), g, m, n, 1) : 0;
        if (OUTPUT == 1) {
            if (subgroupElect()) {
                storeInteger(g, m, n, 0, low);
                if (DIGITS == 2) {
                    storeInteger(g, m, n, 1, high);
                }
            }
        } else {
            y = y + scaledSum(low, high, activationScale(g, m), weightScale(g, n));
        }
    }
    if (OUTPUT == 0 && subgroupElect()) {
        storeResult(m, n, y);
    }
}

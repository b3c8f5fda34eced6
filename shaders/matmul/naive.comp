// The definition: one invocation per output, byte by byte. Serves every device and every scheme.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "matmul.glsl"

layout(local_size_x = 64) in;

int byteOf(uint d, int c) {
    return bitfieldExtract(int(d), 8 * c, 8);
}

void main() {
    uint n = gl_GlobalInvocationID.x, m = gl_GlobalInvocationID.y;
    if (n >= arg.n) {
        return;
    }
    uint blocks = blockCount(), groups = groupCount();
    precise float y = 0.0;
    for (uint g = 0; g < groups; g++) {
        uint first = g * GROUP_BLOCKS, end = GROUP_BLOCKS == 0 ? blocks : min(first + GROUP_BLOCKS, blocks);
        int acc[2] = int[2](0, 0);
        for (uint b = first; b < end; b++) {
            Block w = loadBlock(arg.w, (n >> 5) * blocks + b, n & 31);
            for (uint h = 0; h < 2; h++) {
                uint d[8];
                expandChunk(w, h, d);
                for (uint digit = 0; digit < DIGITS; digit++) {
                    uint at = activationAt(m, blocks, b) * 4 + h * 8;
                    for (int i = 0; i < 8; i++) {
                        uint x = activationVector(digit, (at + i) >> 2)[(at + i) & 3];
                        for (int c = 0; c < 4; c++) {
                            acc[digit] += byteOf(d[i], c) * byteOf(x, c);
                        }
                    }
                }
            }
        }
        int low = correctedSumOf(acc[0], g, m, n, 0);
        int high = DIGITS == 2 ? correctedSumOf(acc[1], g, m, n, 1) : 0;
        if (OUTPUT == 1) {
            storeInteger(g, m, n, 0, low);
            if (DIGITS == 2) {
                storeInteger(g, m, n, 1, high);
            }
        } else {
            y = y + scaledSum(low, high, activationScale(g, m), weightScale(g, n));
        }
    }
    if (OUTPUT == 0) {
        storeResult(m, n, y);
    }
}

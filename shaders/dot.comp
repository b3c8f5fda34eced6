// Decode: few tokens, packed 4×8-bit dot products fed from fields in registers. An invocation owns one row of the weights
// for one slice of K; a workgroup is 32 rows × SLICES, so weights stream in 512-byte stretches and every activation load is
// uniform. Sums are exact integers, so slices may be added in any order; products of scale groups are added in group order.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#include "matmul.glsl"

layout(local_size_x_id = 7) in; // 32 · SLICES
layout(constant_id = 7) const uint INVOCATIONS = 256;
layout(constant_id = 8) const uint TOKENS = 1; // tokens per workgroup
layout(constant_id = 9) const uint DEPTH = 2; // blocks in flight per invocation
layout(constant_id = 10) const uint ROUND = 8; // scale groups between barriers, a multiple of SLICES

const uint SLICES = INVOCATIONS / 32;
const uint SUMS = TOKENS * DIGITS;
const uint HELD = (TOKENS + SLICES - 1) / SLICES; // tokens whose output one slice writes

shared int shareds[(GROUP_BLOCKS == 0 ? SLICES * SUMS : ROUND * TOKENS) * 32];

struct Load {
    Block w;
    float scale;
    int zero, sum;
};

uint lane, slice, tileRow, blocks, groups, firstToken;

// The block that a slice's t-th step reads; beyond the end for the last steps of some slices.
uint blockAt(uint t) {
    return GROUP_BLOCKS == 0 ? t * SLICES + slice : ((t / GROUP_BLOCKS) * SLICES + slice) * GROUP_BLOCKS + t % GROUP_BLOCKS;
}

Load load(uint t) {
    Load l;
    uint b = min(blockAt(t), blocks - 1);
    l.w = loadBlock(arg.w, tileRow * blocks + b, lane);
    if (GROUP_BLOCKS != 0) {
        uint g = b / GROUP_BLOCKS, n = tileRow * 32 + lane;
        l.scale = OUTPUT == 0 ? arg.wScales.v[g * paddedN() + n] : 0.0;
        l.zero = weightZero(g, n);
        l.sum = needsWeightSums() ? arg.wSums.v[g * paddedN() + n] : 0;
    }
    return l;
}

void accumulate(Block w, uint b, inout int acc[SUMS]) {
    [[unroll]] for (uint h = 0; h < 2; h++) {
        uint d[8];
        expandChunk(w, h, d);
        [[unroll]] for (uint s = 0; s < SUMS; s++) {
            // Tokens beyond M read the last one; their sums are dropped.
            uint m = min(firstToken + s / DIGITS, arg.m - 1);
            uint at = (m * blocks + b) * 4 + h * 2;
            uvec4 x0 = activationVector(s % DIGITS, at), x1 = activationVector(s % DIGITS, at + 1);
            [[unroll]] for (int i = 0; i < 4; i++) {
                acc[s] += dotPacked4x8EXT(int(d[i]), int(x0[i]));
                acc[s] += dotPacked4x8EXT(int(d[4 + i]), int(x1[i]));
            }
        }
    }
}

// One group: sums in, products into shared memory (or integers out).
void finishGroup(uint g, uint slot, Load l, int acc[SUMS]) {
    uint n = tileRow * 32 + lane;
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
        uint m = min(firstToken + t, arg.m - 1);
        int low = correctedSum(acc[t * DIGITS], g, m, 0, l.zero, l.sum);
        int high = DIGITS == 2 ? correctedSum(acc[t * DIGITS + DIGITS - 1], g, m, 1, l.zero, l.sum) : 0;
        if (OUTPUT == 1) {
            if (n < arg.n && firstToken + t < arg.m) {
                storeInteger(g, m, n, 0, low);
                if (DIGITS == 2) {
                    storeInteger(g, m, n, 1, high);
                }
            }
        } else {
            shareds[(slot * TOKENS + t) * 32 + lane] = floatBitsToInt(scaledSum(low, high, activationScale(g, m), l.scale));
        }
    }
}

void grouped() {
    uint steps = (groups + SLICES - 1) / SLICES * GROUP_BLOCKS;
    uint groupsPerSlice = ROUND / SLICES; // in a round
    Load ring[DEPTH];
    [[unroll]] for (uint i = 0; i < DEPTH; i++) {
        ring[i] = load(i);
    }
    int acc[SUMS];
    [[unroll]] for (uint s = 0; s < SUMS; s++) {
        acc[s] = 0;
    }
    precise float y[HELD];
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        y[i] = 0.0;
    }
    for (uint t = 0; t < steps; t += DEPTH) {
        [[unroll]] for (uint i = 0; i < DEPTH; i++) {
            uint step = t + i;
            if (step < steps) {
                uint b = blockAt(step), turn = step / GROUP_BLOCKS, g = turn * SLICES + slice;
                Load current = ring[i];
                ring[i] = load(step + DEPTH);
                if (b < blocks) {
                    accumulate(current.w, b, acc);
                }
                if (step % GROUP_BLOCKS == GROUP_BLOCKS - 1) {
                    uint inRound = turn % groupsPerSlice;
                    if (g < groups) {
                        // The scale of a shorter last group came with its last real block or a clamped one: the same group.
                        finishGroup(g, inRound * SLICES + slice, current, acc);
                    }
                    [[unroll]] for (uint s = 0; s < SUMS; s++) {
                        acc[s] = 0;
                    }
                    if (OUTPUT == 0 && (inRound == groupsPerSlice - 1 || step == steps - 1)) {
                        uint firstGroup = (turn - inRound) * SLICES;
                        uint count = min(groups - firstGroup, ROUND);
                        barrier();
                        [[unroll]] for (uint o = 0; o < HELD; o++) {
                            uint token = slice + o * SLICES;
                            if (token < TOKENS) {
                                for (uint j = 0; j < count; j++) {
                                    y[o] = y[o] + intBitsToFloat(shareds[(j * TOKENS + token) * 32 + lane]);
                                }
                            }
                        }
                        barrier();
                    }
                }
            }
        }
    }
    uint n = tileRow * 32 + lane;
    if (OUTPUT == 0 && n < arg.n) {
        [[unroll]] for (uint o = 0; o < HELD; o++) {
            uint token = slice + o * SLICES;
            if (token < TOKENS && firstToken + token < arg.m) {
                storeResult(firstToken + token, n, y[o]);
            }
        }
    }
}

void ungrouped() {
    uint steps = (blocks + SLICES - 1) / SLICES;
    Load ring[DEPTH];
    [[unroll]] for (uint i = 0; i < DEPTH; i++) {
        ring[i] = load(i);
    }
    int acc[SUMS];
    [[unroll]] for (uint s = 0; s < SUMS; s++) {
        acc[s] = 0;
    }
    for (uint t = 0; t < steps; t += DEPTH) {
        [[unroll]] for (uint i = 0; i < DEPTH; i++) {
            uint b = blockAt(t + i);
            Block current = ring[i].w;
            if (t + i + DEPTH < steps) {
                ring[i] = load(t + i + DEPTH);
            }
            if (b < blocks) {
                accumulate(current, b, acc);
            }
        }
    }
    [[unroll]] for (uint s = 0; s < SUMS; s++) {
        shareds[(slice * SUMS + s) * 32 + lane] = acc[s];
    }
    barrier();
    uint n = tileRow * 32 + lane;
    [[unroll]] for (uint o = 0; o < HELD; o++) {
        uint token = slice + o * SLICES, m = firstToken + token;
        if (token < TOKENS && m < arg.m && n < arg.n) {
            int sums[2] = int[2](0, 0);
            [[unroll]] for (uint d = 0; d < DIGITS; d++) {
                for (uint s = 0; s < SLICES; s++) {
                    sums[d] += shareds[(s * SUMS + token * DIGITS + d) * 32 + lane];
                }
            }
            int low = correctedSumOf(sums[0], 0, m, n, 0);
            int high = DIGITS == 2 ? correctedSumOf(sums[1], 0, m, n, 1) : 0;
            if (OUTPUT == 1) {
                storeInteger(0, m, n, 0, low);
                if (DIGITS == 2) {
                    storeInteger(0, m, n, 1, high);
                }
            } else {
                // From zero: y = 0 + I·p, as the contract's sum over groups starts.
                precise float y = 0.0 + scaledSum(low, high, activationScale(0, m), arg.wScales.v[n]);
                storeResult(m, n, y);
            }
        }
    }
}

void main() {
    lane = gl_LocalInvocationID.x & 31;
    slice = gl_LocalInvocationID.x >> 5;
    tileRow = gl_WorkGroupID.x;
    firstToken = gl_WorkGroupID.y * TOKENS;
    blocks = blockCount();
    groups = groupCount();
    if (GROUP_BLOCKS != 0) {
        grouped();
    } else {
        ungrouped();
    }
}

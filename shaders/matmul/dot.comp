// Decode: few tokens, packed 4×8-bit dot products fed from fields in registers. An invocation owns ROWS rows of the weights
// (the same lane of ROWS neighbouring tiles) for one slice of K; a workgroup is 32·ROWS rows × SLICES, so weights stream in
// 512-byte stretches and every activation load is uniform and serves ROWS rows. Everything that the epilogue needs is
// loaded together with the weights: a small matrix waits for memory once. Sums are exact integers, so slices may be added
// in any order; products of scale groups are added in group order.
//
// With SPLITS > 1 as many workgroups share the slices of a tile: sums are added, products of groups put side by side, in
// memory, and the last workgroup to arrive finishes the outputs.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#define SPLITS_K
#include "matmul.glsl"
#include "group_terms.glsl"

layout(local_size_x_id = 7) in; // 32 · SLICES
layout(constant_id = 7) const uint INVOCATIONS = 256;
layout(constant_id = 8) const uint TOKENS = 1; // tokens per workgroup
layout(constant_id = 9) const uint DEPTH = 2; // blocks in flight per invocation; a multiple or a divisor of GROUP_BLOCKS
layout(constant_id = 10) const uint ROUND = 8; // scale groups between barriers, a multiple of SLICES
layout(constant_id = 11) const uint ROWS = 1; // rows per invocation
layout(constant_id = 12) const uint SHARED_X = 0; // 16-byte vectors of activations kept in shared memory, 0 = none
layout(constant_id = 13) const uint ROUNDS = 1; // 1: all groups are held at once; otherwise two rounds of them
layout(constant_id = 14) const uint SPLITS = 1; // workgroups along K

const uint SLICES = INVOCATIONS / 32;
const uint SUMS = TOKENS * DIGITS;
const uint CELLS = ROWS * TOKENS; // outputs per lane
const uint HELD = (CELLS + SLICES - 1) / SLICES; // cells that one slice finishes
const uint STRIDE = GROUP_BLOCKS > DEPTH ? GROUP_BLOCKS : DEPTH; // steps in a pass
const uint RECORDS = GROUP_BLOCKS == 0 || GROUP_BLOCKS > DEPTH ? 1 : DEPTH / GROUP_BLOCKS; // groups in flight
const uint COUNTERS = 1024; // words of scratch that count arrivals, one for each tile of outputs; 0 between dispatches

shared int shareds[(GROUP_BLOCKS == 0 ? SLICES * ROWS * SUMS : SPLITS > 1 ? 1 : ROUND * (ROUNDS == 1 ? 1 : 2) * CELLS) * 32];
shared uvec4 sharedX[SHARED_X == 0 ? 1 : SHARED_X];

#define ARRIVAL shareds[0]
#include "handshake.glsl"

uint lane, slice, tiles, blocks, groups, steps, firstToken;
Block ring[DEPTH * ROWS];
Channel channels[RECORDS * ROWS];
Token tokens[RECORDS * TOKENS];
Channel channelNow[ROWS]; // of the group whose blocks are being summed
Token tokenNow[TOKENS];
int acc[ROWS * SUMS];
float y[HELD];

// Rows and tokens beyond the end read the last ones; their results are dropped.
uint tileOf(uint r) {
    return min(gl_WorkGroupID.x * ROWS + r, tiles - 1);
}

uint tokenOf(uint t) {
    return min(firstToken + t, arg.m - 1);
}

bool stored(uint r, uint t) {
    return (gl_WorkGroupID.x * ROWS + r) * 32 + lane < arg.n && firstToken + t < arg.m;
}

// The block or group that is this slice's turn'th.
uint sliceAt(uint turn) {
    return SPLITS == 1 ? turn * SLICES + slice : (turn * SPLITS + gl_WorkGroupID.z) * SLICES + slice;
}

uint groupAt(uint step) {
    return GROUP_BLOCKS == 0 ? 0 : sliceAt(step / GROUP_BLOCKS);
}

// The block of a slice's step; beyond the end for the last steps of some slices.
uint blockAt(uint step) {
    return GROUP_BLOCKS == 0 ? sliceAt(step) : groupAt(step) * GROUP_BLOCKS + step % GROUP_BLOCKS;
}

// Begins loading a step: i is the step within a pass, a constant wherever this is unrolled.
void fetch(uint step, uint i) {
    uint b = min(blockAt(step), blocks - 1);
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        ring[i % DEPTH * ROWS + r] = loadBlock(arg.w, tileOf(r) * blocks + b, lane);
    }
    if (GROUP_BLOCKS != 0 && i % GROUP_BLOCKS == 0) {
        uint g = min(groupAt(step), groups - 1), record = i / GROUP_BLOCKS % RECORDS;
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            channels[record * ROWS + r] = channelOf(g, tileOf(r) * 32 + lane);
        }
        [[unroll]] for (uint t = 0; t < TOKENS; t++) {
            tokens[record * TOKENS + t] = tokenAt(g, tokenOf(t), groups);
        }
    }
}

uvec4 activations(uint s, uint b, uint v) {
    return SHARED_X != 0 ? sharedX[(s * blocks + b) * 4 + v] : activationVector(s % DIGITS, activationAt(tokenOf(s / DIGITS), blocks, b) + v);
}

void accumulate(Block w[ROWS], uint b) {
    [[unroll]] for (uint h = 0; h < 2; h++) {
        uint d[ROWS * 8];
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            uint row[8];
            expandChunk(w[r], h, row);
            [[unroll]] for (int i = 0; i < 8; i++) {
                d[r * 8 + i] = row[i];
            }
        }
        [[unroll]] for (uint s = 0; s < SUMS; s++) {
            uvec4 x0 = activations(s, b, h * 2), x1 = activations(s, b, h * 2 + 1);
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                [[unroll]] for (int i = 0; i < 4; i++) {
                    acc[r * SUMS + s] += dotPacked4x8EXT(int(d[r * 8 + i]), int(x0[i]));
                    acc[r * SUMS + s] += dotPacked4x8EXT(int(d[r * 8 + 4 + i]), int(x1[i]));
                }
            }
        }
    }
}

// Zero codes where there is no block: without a branch, so that loads may move past it.
Block masked(Block b, bool real) {
    uint mask = real ? ~0u : 0u;
    b.f0 &= mask;
    b.f1 &= mask;
    b.f2 &= mask;
    b.f3 &= mask;
    b.last &= mask;
    return b;
}

int low(int sums[2], Channel c, Token t, uint g) {
    return corrected(sums[0], 0, c.zero, c.sum, t.zero, t.sum, columnsIn(g));
}

int high(int sums[2], Channel c, Token t, uint g) {
    return DIGITS == 2 ? corrected(sums[1], 1, c.zero, c.sum, t.zero, t.highSum, columnsIn(g)) : 0;
}

void storeIntegers(uint g, uint r, uint t, int lowSum, int highSum) {
    if (stored(r, t)) {
        uint n = tileOf(r) * 32 + lane;
        storeInteger(g, tokenOf(t), n, 0, lowSum);
        if (DIGITS == 2) {
            storeInteger(g, tokenOf(t), n, 1, highSum);
        }
    }
}

uint scratchTile() {
    return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
}

// Where a sum over all of K grows; 0 between dispatches.
uint sumAt(uint s) {
    return COUNTERS + (scratchTile() * ROWS * SUMS + s) * 32 + lane;
}

uint productAt(uint g, uint cell) {
    return COUNTERS + ((scratchTile() * groups + g) * CELLS + cell) * 32 + lane;
}

// Whether this workgroup is the last of those that share a tile. Nothing in `shareds` survives.
bool lastOfTile() {
    bool last = arrivesLast(ArrivalCounters(arg.scratch), scratchTile(), SPLITS);
    barrier();
    return last;
}

// One group: sums in, products into shared memory (or integers out).
void finishGroup(uint g, uint slot) {
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        [[unroll]] for (uint t = 0; t < TOKENS; t++) {
            int sums[2] = int[2](acc[r * SUMS + t * DIGITS], acc[r * SUMS + t * DIGITS + DIGITS - 1]);
            int l = low(sums, channelNow[r], tokenNow[t], g), h = high(sums, channelNow[r], tokenNow[t], g);
            if (OUTPUT == 1) {
                storeIntegers(g, r, t, l, h);
            } else {
                if (SPLITS > 1) {
                    arg.scratch.v[productAt(g, r * TOKENS + t)] = floatBitsToInt(scaledSum(l, h, tokenNow[t].scale, channelNow[r].scale));
                } else {
                    shareds[(slot * CELLS + r * TOKENS + t) * 32 + lane] = floatBitsToInt(scaledSum(l, h, tokenNow[t].scale, channelNow[r].scale));
                }
            }
        }
    }
}

float productOf(uint slot, uint cell) {
    return intBitsToFloat(SPLITS > 1 ? arg.scratch.v[productAt(slot, cell)] : shareds[(slot * CELLS + cell) * 32 + lane]);
}

// Adds the products of a round's groups in their order.
void sumRound(uint firstSlot, uint count) {
    [[unroll]] for (uint o = 0; o < HELD; o++) {
        uint cell = slice + o * SLICES, j = 0;
        if (cell < CELLS) {
            for (; j + 8 <= count; j += 8) {
                float p[8];
                [[unroll]] for (uint i = 0; i < 8; i++) {
                    p[i] = productOf(firstSlot + j + i, cell);
                }
                [[unroll]] for (uint i = 0; i < 8; i++) {
                    precise float sum = y[o] + p[i];
                    y[o] = sum;
                }
            }
            for (; j < count; j++) {
                precise float sum = y[o] + productOf(firstSlot + j, cell);
                y[o] = sum;
            }
        }
    }
}

void clearSums() {
    [[unroll]] for (uint s = 0; s < ROWS * SUMS; s++) {
        acc[s] = 0;
    }
}

void endGroup(uint step) {
    uint g = groupAt(step), turn = step / GROUP_BLOCKS, turns = steps / GROUP_BLOCKS;
    uint inRound = turn % (ROUND / SLICES), firstSlot = ROUNDS == 1 ? 0 : turn / (ROUND / SLICES) % 2 * ROUND;
    if (g < groups) {
        finishGroup(g, firstSlot + inRound * SLICES + slice);
    }
    clearSums();
    // Two halves of shared memory in turn: while one slice adds a round, the others fill the next.
    if (OUTPUT == 0 && ROUNDS != 1 && SPLITS == 1 && turn < turns && (inRound == ROUND / SLICES - 1 || turn == turns - 1)) {
        barrier();
        sumRound(firstSlot, min(groups - (turn - inRound) * SLICES, ROUND));
    }
}

// STRIDE steps, all of them real blocks unless it is the last pass; refills the ring for the next one.
void pass(uint first, bool last) {
    [[unroll]] for (uint i = 0; i < STRIDE; i++) {
        uint b = blockAt(first + i);
        Block now[ROWS];
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
            now[r] = ring[i % DEPTH * ROWS + r];
            if (last) {
                now[r] = masked(now[r], b < blocks);
            }
        }
        if (GROUP_BLOCKS != 0 && i % GROUP_BLOCKS == 0) {
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                channelNow[r] = channels[i / GROUP_BLOCKS % RECORDS * ROWS + r];
            }
            [[unroll]] for (uint t = 0; t < TOKENS; t++) {
                tokenNow[t] = tokens[i / GROUP_BLOCKS % RECORDS * TOKENS + t];
            }
        }
        if (!last || i + DEPTH < STRIDE) {
            fetch(first + i + DEPTH, (i + DEPTH) % STRIDE);
        }
        accumulate(now, min(b, blocks - 1));
        if (GROUP_BLOCKS != 0 && (i + 1) % GROUP_BLOCKS == 0) {
            endGroup(first + i);
        }
    }
}

// Adds this workgroup's sums to those of the others; true: it is the last, and holds the totals as slice 0's, 0 the others'.
bool gatherSums() {
    for (uint s = slice; s < ROWS * SUMS; s += SLICES) {
        int sum = 0;
        [[unroll]] for (uint i = 0; i < SLICES; i++) {
            sum += shareds[(i * ROWS * SUMS + s) * 32 + lane];
        }
        atomicAdd(arg.scratch.v[sumAt(s)], sum);
    }
    if (!lastOfTile()) {
        return false;
    }
    for (uint s = slice; s < ROWS * SUMS; s += SLICES) {
        [[unroll]] for (uint i = 1; i < SLICES; i++) {
            shareds[(i * ROWS * SUMS + s) * 32 + lane] = 0;
        }
        shareds[s * 32 + lane] = atomicExchange(arg.scratch.v[sumAt(s)], 0);
    }
    barrier();
    return true;
}

void shareActivations() {
    if (SHARED_X != 0) {
        for (uint v = gl_LocalInvocationID.x; v < blocks * 4; v += INVOCATIONS) {
            [[unroll]] for (uint s = 0; s < SUMS; s++) {
                sharedX[s * blocks * 4 + v] = activationVector(s % DIGITS, activationAt(tokenOf(s / DIGITS), blocks, v / 4) + v % 4);
            }
        }
        barrier();
    }
}

void main() {
    lane = gl_LocalInvocationID.x & 31;
    slice = gl_LocalInvocationID.x >> 5;
    firstToken = gl_WorkGroupID.y * TOKENS;
    tiles = paddedN() / 32;
    blocks = blockCount();
    groups = groupCount();
    const uint AT_ONCE = SLICES * SPLITS;
    steps = GROUP_BLOCKS == 0 ? (blocks + AT_ONCE - 1) / AT_ONCE : (groups + AT_ONCE - 1) / AT_ONCE * GROUP_BLOCKS;

    [[unroll]] for (uint i = 0; i < DEPTH; i++) {
        fetch(i, i);
    }
    Channel ends[HELD];
    Token endTokens[HELD];
    float bias[HELD], residual[HELD];
    [[unroll]] for (uint o = 0; o < HELD; o++) {
        uint cell = min(slice + o * SLICES, CELLS - 1), n = tileOf(cell / TOKENS) * 32 + lane, m = tokenOf(cell % TOKENS);
        if (GROUP_BLOCKS == 0) {
            ends[o] = channelOf(0, n);
            endTokens[o] = tokenAt(0, m, groups);
        }
        bias[o] = biasOf(min(n, arg.n - 1));
        residual[o] = residualOf(m, min(n, arg.n - 1));
        y[o] = 0.0;
    }
    shareActivations();
    clearSums();
    uint step = 0;
    for (; step + STRIDE < steps; step += STRIDE) {
        pass(step, false);
    }
    pass(step, true);

    if (GROUP_BLOCKS == 0) {
        [[unroll]] for (uint s = 0; s < ROWS * SUMS; s++) {
            shareds[(slice * ROWS * SUMS + s) * 32 + lane] = acc[s];
        }
    }
    if (GROUP_BLOCKS == 0 || OUTPUT == 0 && ROUNDS == 1) {
        barrier();
    }
    if (SPLITS > 1 && !(GROUP_BLOCKS == 0 ? gatherSums() : OUTPUT == 1 || lastOfTile())) {
        return;
    }
    if (GROUP_BLOCKS != 0 && OUTPUT == 0 && (ROUNDS == 1 || SPLITS > 1)) {
        sumRound(0, groups);
    }
    [[unroll]] for (uint o = 0; o < HELD; o++) {
        uint cell = slice + o * SLICES, r = cell / TOKENS, t = cell % TOKENS;
        if (cell < CELLS) {
            if (GROUP_BLOCKS == 0) {
                int sums[2] = int[2](0, 0);
                [[unroll]] for (uint d = 0; d < DIGITS; d++) {
                    [[unroll]] for (uint s = 0; s < SLICES; s++) {
                        sums[d] += shareds[((s * ROWS + r) * SUMS + t * DIGITS + d) * 32 + lane];
                    }
                }
                int l = low(sums, ends[o], endTokens[o], 0), h = high(sums, ends[o], endTokens[o], 0);
                if (OUTPUT == 1) {
                    storeIntegers(0, r, t, l, h);
                } else {
                    // From zero: y = 0 + I·p, as the contract's sum over groups starts.
                    precise float sum = y[o] + scaledSum(l, h, endTokens[o].scale, ends[o].scale);
                    y[o] = sum;
                }
            }
            if (OUTPUT == 0 && stored(r, t)) {
                storeFinished(tokenOf(t), tileOf(r) * 32 + lane, y[o], bias[o], residual[o]);
            }
        }
    }
}

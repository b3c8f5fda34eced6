// Cooperative matrices for few tokens: weights stream past. A workgroup makes 32·ROW_TILES channels of TOKENS tokens; its subgroups share K
// and meet only to add what each has summed. A subgroup brings its blocks of weights and activations through shared memory of its own, half a
// block at a time, so that nobody waits for others while weights are on their way; weights are the rows of the matrices, tokens the columns.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "matmul.glsl"
#include "group_terms.glsl"

layout(local_size_x_id = 7) in;
layout(constant_id = 7) const uint INVOCATIONS = 256;
layout(constant_id = 8) const uint SUBGROUP = 32;
layout(constant_id = 9) const uint FM = 16; // matrix shape: channels, tokens, depth
layout(constant_id = 10) const uint FN = 8;
layout(constant_id = 11) const uint FK = 32;
layout(constant_id = 12) const uint ROW_TILES = 1; // tiles of 32 channels
layout(constant_id = 13) const uint TOKENS = 8;
layout(constant_id = 14) const uint SETS = 2; // blocks of a subgroup on their way
layout(constant_id = 15) const uint BATCH = 2; // matrices of sums that each subgroup leaves at once, a multiple of DIGITS
layout(constant_id = 16) const uint UNROLLED = 1; // 0: a compiler that takes seconds over unrolled products gets a loop

const uint SLICES = INVOCATIONS / SUBGROUP;
const uint CHANNELS = 32 * ROW_TILES;
const uint X_ROWS = TOKENS * DIGITS;
const uint VECTOR_CODES = FK < 16 ? 8 : 16; // as in matrix_tiles.glsl
const uint STRIDE = 32 / VECTOR_CODES + 1;
const uint REGION = (CHANNELS + X_ROWS) * STRIDE; // vectors of a subgroup
const uint TC = CHANNELS / FM, TT = TOKENS / FN;
const uint MATRICES = TC * TT * DIGITS; // digits of the same outputs are neighbours
const uint BATCHES = (MATRICES + BATCH - 1) / BATCH;
const uint SUMS = FM * FN / 4; // vectors of a matrix of sums
const uint W_LOADS = (CHANNELS + SUBGROUP - 1) / SUBGROUP;
const uint X_LOADS = (X_ROWS * 4 + SUBGROUP - 1) / SUBGROUP;
const uint PAIRS = BATCH / DIGITS * FM * FN; // outputs of a batch
const uint OWN = (PAIRS + INVOCATIONS - 1) / INVOCATIONS;
const uint PARTS = GROUP_BLOCKS == 0 ? 1 : SLICES; // groups of a round

shared uvec4 tiles[SLICES * (REGION > BATCH * SUMS ? REGION : BATCH * SUMS)];

#include "put_vector.glsl"

#define W_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define X_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define SUM_MATRIX coopmat<int, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>

uint tid, lane, slice, base, blocks, groups, firstChannel, firstToken;
Block wHeld[SETS * W_LOADS];
uvec4 xHeld[SETS * X_LOADS];
SUM_MATRIX acc[MATRICES];
float y[GROUP_BLOCKS == 0 ? 1 : BATCHES * OWN];

// The i-th block of this subgroup: neighbours read neighbouring blocks, or groups.
uint blockAt(uint i) {
    return GROUP_BLOCKS == 0 ? i * SLICES + slice : (i / GROUP_BLOCKS * SLICES + slice) * GROUP_BLOCKS + i % GROUP_BLOCKS;
}

// Blocks beyond the last repeat it and are never multiplied; so do rows and tokens beyond the last.
void load(uint set, uint block) {
    uint b = min(block, blocks - 1);
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        uint row = i * SUBGROUP + lane, n = firstChannel + row;
        if (CHANNELS % SUBGROUP == 0 || row < CHANNELS) {
            wHeld[set * W_LOADS + i] = loadBlock(arg.w, min(n >> 5, (arg.n - 1) >> 5) * blocks + b, n & 31);
        }
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        uint e = i * SUBGROUP + lane;
        if (X_ROWS * 4 % SUBGROUP == 0 || e < X_ROWS * 4) {
            uint row = e / 32 * 8 + tokenInTile(e), digit = row / TOKENS, m = min(firstToken + row - digit * TOKENS, arg.m - 1);
            xHeld[set * X_LOADS + i] = activationVector(digit, activationAt(m, blocks, b) + e % 4);
        }
    }
}

// Half a block to this subgroup's part of shared memory.
void store(uint set, uint h) {
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        uint row = i * SUBGROUP + lane;
        if (CHANNELS % SUBGROUP == 0 || row < CHANNELS) {
            uint d[8];
            expandChunk(wHeld[set * W_LOADS + i], h, d);
            putVector(base + row * STRIDE, 0, uvec4(d[0], d[1], d[2], d[3]));
            putVector(base + row * STRIDE, 1, uvec4(d[4], d[5], d[6], d[7]));
        }
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        uint e = i * SUBGROUP + lane;
        if ((X_ROWS * 4 % SUBGROUP == 0 || e < X_ROWS * 4) && e % 4 / 2 == h) {
            putVector(base + (CHANNELS + e / 32 * 8 + tokenInTile(e)) * STRIDE, e % 2, xHeld[set * X_LOADS + i]);
        }
    }
}

void multiplyPart(uint kk) {
    uint at = base + kk * (FK / VECTOR_CODES);
    W_MATRIX w[TC];
    [[unroll]] for (uint i = 0; i < TC; i++) {
        coopMatLoad(w[i], tiles, at + i * FM * STRIDE, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint j = 0; j < TT * DIGITS; j++) {
        X_MATRIX x;
        coopMatLoad(x, tiles, at + (CHANNELS + j % DIGITS * TOKENS + j / DIGITS * FN) * STRIDE, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < TC; i++) {
            uint f = (j / DIGITS * TC + i) * DIGITS + j % DIGITS;
            acc[f] = coopMatMulAdd(w[i], x, acc[f]);
        }
    }
}

void multiply() {
    if (UNROLLED != 0) {
        [[unroll]] for (uint kk = 0; kk < 32 / FK; kk++) {
            multiplyPart(kk);
        }
    } else {
        [[dont_unroll]] for (uint kk = 0; kk < 32 / FK; kk++) {
            multiplyPart(kk);
        }
    }
}

// Ends what a subgroup has done with its part of shared memory. Buffers are not named: blocks on their way are not waited for.
void meet() {
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// What subgroup s left of output e of a pair of matrices.
int sumAt(uint s, uint pair, uint digit, uint e) {
    return int(tiles[(s * BATCH + pair * DIGITS + digit) * SUMS + e / 4][e % 4]);
}

// Output of this invocation in a batch: x channel, y token, z and w its pair of matrices and its place in them; beyond the last, the last.
uvec4 outputAt(uint batch, uint own, out bool real) {
    uint o = own * INVOCATIONS + tid, pair = o / (FM * FN), e = o % (FM * FN), p = batch * (BATCH / DIGITS) + pair;
    uint n = firstChannel + p % TC * FM + e % FM, m = firstToken + p / TC * FN + e / FM;
    real = (PAIRS % INVOCATIONS == 0 || o < PAIRS) && p < TC * TT && n < arg.n && m < arg.m;
    return uvec4(min(n, arg.n - 1), min(m, arg.m - 1), pair, e);
}

// Ends a round of groups, or all of K: subgroups leave their sums, a batch of matrices at a time, and each invocation adds those of its
// outputs. What they are multiplied by is on its way before subgroups wait for each other.
void addUp(uint round, bool last) {
    [[unroll]] for (uint batch = 0; batch < BATCHES; batch++) {
        Channel channels[OWN * PARTS];
        Token tokens[OWN * PARTS];
        float biases[OWN], residuals[OWN];
        [[unroll]] for (uint own = 0; own < OWN; own++) {
            bool real;
            uvec4 at = outputAt(batch, own, real);
            [[unroll]] for (uint s = 0; s < PARTS; s++) {
                uint g = min(round * SLICES + s, groups - 1);
                channels[own * PARTS + s] = channelOf(g, at.x);
                tokens[own * PARTS + s] = tokenAt(g, at.y, groups);
            }
            biases[own] = OUTPUT == 0 && last ? biasOf(at.x) : 0.0;
            residuals[own] = OUTPUT == 0 && last ? residualOf(at.y, at.x) : 0.0;
        }
        barrier();
        [[unroll]] for (uint q = 0; q < BATCH; q++) {
            uint f = batch * BATCH + q;
            if (f < MATRICES) {
                coopMatStore(acc[f], tiles, (slice * BATCH + q) * SUMS, FM / 4, gl_CooperativeMatrixLayoutColumnMajor);
                acc[f] = SUM_MATRIX(0);
            }
        }
        barrier();
        [[unroll]] for (uint own = 0; own < OWN; own++) {
            bool real;
            uvec4 at = outputAt(batch, own, real);
            float sum = GROUP_BLOCKS == 0 || round == 0 ? 0.0 : y[GROUP_BLOCKS == 0 ? 0 : batch * OWN + own];
            [[unroll]] for (uint s = 0; s < PARTS; s++) {
                Channel c = channels[own * PARTS + s];
                Token t = tokens[own * PARTS + s];
                uint g = round * SLICES + s;
                int each[2] = int[2](0, 0);
                [[unroll]] for (uint digit = 0; digit < DIGITS; digit++) {
                    if (GROUP_BLOCKS == 0) {
                        [[unroll]] for (uint part = 0; part < SLICES; part++) {
                            each[digit] += sumAt(part, at.z, digit, at.w);
                        }
                    } else {
                        each[digit] = sumAt(s, at.z, digit, at.w);
                    }
                    each[digit] = corrected(each[digit], digit, c.zero, c.sum, t.zero, digit == 0 ? t.sum : t.highSum, columnsIn(min(g, groups - 1)));
                    if (OUTPUT == 1 && real && g < groups) {
                        storeInteger(g, at.y, at.x, digit, each[digit]);
                    }
                }
                // From zero, as the contract's sum over groups starts.
                precise float next = sum + scaledSum(each[0], each[1], t.scale, c.scale);
                sum = g < groups ? next : sum;
            }
            if (GROUP_BLOCKS != 0) {
                y[batch * OWN + own] = sum;
            }
            if (OUTPUT == 0 && last && real) {
                storeFinished(at.y, at.x, sum, biases[own], residuals[own]);
            }
        }
    }
    barrier();
}

void main() {
    tid = gl_LocalInvocationID.x;
    lane = gl_SubgroupInvocationID;
    slice = gl_SubgroupID;
    base = slice * REGION;
    blocks = blockCount();
    groups = groupCount();
    firstChannel = gl_WorkGroupID.x * CHANNELS;
    firstToken = gl_WorkGroupID.y * TOKENS;
    uint rounds = GROUP_BLOCKS == 0 ? 1 : (groups + SLICES - 1) / SLICES;
    uint each = GROUP_BLOCKS == 0 ? (blocks + SLICES - 1) / SLICES : GROUP_BLOCKS, count = rounds * each;
    [[unroll]] for (uint f = 0; f < MATRICES; f++) {
        acc[f] = SUM_MATRIX(0);
    }
    [[unroll]] for (uint set = 0; set < SETS; set++) {
        load(set, blockAt(set));
    }
    uint done = 0, round = 0;
    for (uint first = 0; first < count; first += SETS) {
        [[unroll]] for (uint set = 0; set < SETS; set++) {
            uint i = first + set;
            if (set > 0 && i >= count) {
                break;
            }
            bool real = blockAt(i) < blocks;
            [[unroll]] for (uint h = 0; h < 2; h++) {
                store(set, h);
                if (h == 1) {
                    load(set, blockAt(i + SETS));
                }
                meet();
                if (real) {
                    multiply();
                }
                meet();
            }
            if (++done == each) {
                addUp(round, round + 1 == rounds);
                round++;
                done = 0;
            }
        }
    }
}

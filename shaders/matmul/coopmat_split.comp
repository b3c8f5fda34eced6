// Cooperative matrices for few tokens: as coopmat.comp for one tile of rows and one scale group, with SPLITS workgroups that share K, so
// that a few channels fill the device. Each leaves its integers in memory; the last to arrive adds them and finishes the outputs.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#define SPLITS_K
#define ARRIVAL tiles[0].x
#define MOVES false
#include "matmul.glsl"
#include "matrix_tiles.glsl"
#include "store_quads.glsl"
#include "handshake.glsl"

layout(constant_id = 21) const uint SPLITS = 2; // workgroups along K

// Scratch: arrivals at each tile, 0 between dispatches; then of each tile, part and digit BM rows of BN integers, four a vector.
const uint COUNTERS = 1024;
const uint PIECES = BM * BN / 4;
const uint LOADS = (PIECES + INVOCATIONS - 1) / INVOCATIONS;
layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer SharedVectors { ivec4 v[]; };

uint partAt(uint part, uint digit) {
    return COUNTERS / 4 + ((gl_WorkGroupID.x * SPLITS + part) * DIGITS + digit) * PIECES;
}

// This workgroup's sums to memory, matrix by matrix through shared memory, where positions are known.
void leaveSums() {
    SharedVectors scratch = SharedVectors(arg.scratch);
    uint at = gl_SubgroupID * SCRATCH;
    [[unroll]] for (uint f = 0; f < DIGITS * TM * TN; f++) {
        uint i = f / TN % TM, j = f % TN, part = partAt(gl_WorkGroupID.z, f / (TM * TN));
        coopMatStore(acc[f], tiles, at, FN / 4, gl_CooperativeMatrixLayoutRowMajor);
        subgroupMemoryBarrierShared();
        subgroupBarrier();
        [[unroll]] for (uint e = 0; e < (SCRATCH + SUBGROUP - 1) / SUBGROUP; e++) {
            uint v = e * SUBGROUP + gl_SubgroupInvocationID, row = subRow + i * FM + v / (FN / 4);
            if ((SCRATCH % SUBGROUP == 0 || v < SCRATCH) && row < arg.m) {
                scratch.v[part + (row * BN + subColumn + j * FN) / 4 + v % (FN / 4)] = ivec4(tiles[at + v]);
            }
        }
        subgroupBarrier();
    }
}

// Token and first channel of an invocation's i-th piece.
uvec2 outputOf(uint i) {
    uint piece = i * INVOCATIONS + tid;
    return uvec2(piece / (BN / 4), firstColumn + piece % (BN / 4) * 4);
}

bool isReal(uint i, uvec2 at) {
    return (PIECES % INVOCATIONS == 0 || i * INVOCATIONS + tid < PIECES) && at.x < arg.m && at.y < arg.n;
}

// Adds what all have left: four neighbouring columns of a row for each of an invocation's pieces. All parts are on their way before the
// first is used, and what outputs are added to before the first is written.
void finish() {
    SharedVectors scratch = SharedVectors(arg.scratch);
    ivec4 sums[DIGITS * LOADS];
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        [[unroll]] for (uint digit = 0; digit < DIGITS; digit++) {
            uint piece = i * INVOCATIONS + tid;
            sums[digit * LOADS + i] = ivec4(0);
            if ((PIECES % INVOCATIONS == 0 || piece < PIECES) && piece / (BN / 4) < arg.m) {
                [[unroll]] for (uint part = 0; part < SPLITS; part++) {
                    sums[digit * LOADS + i] += scratch.v[partAt(part, digit) + piece];
                }
            }
        }
    }
    bool quads = OUTPUT == 0 && storesQuads();
    vec4 residuals[LOADS];
    [[unroll]] for (uint i = 0; quads && i < LOADS; i++) {
        uvec2 at = outputOf(i);
        if (isReal(i, at)) {
            residuals[i] = residualQuad(at.x, at.y);
        }
    }
    [[unroll]] for (uint i = 0; i < LOADS; i++) {
        uvec2 at = outputOf(i);
        if (!isReal(i, at)) {
            continue;
        }
        vec4 results = vec4(0.0);
        [[unroll]] for (uint c = 0; c < 4; c++) {
            uint columns = BM * ROW_ITEMS + at.y - firstColumn + c;
            int each[2] = int[2](0, 0);
            [[unroll]] for (uint digit = 0; digit < DIGITS; digit++) {
                int sum = sums[digit * LOADS + i][c];
                if (ZW != 0) {
                    sum -= folds[columns + BN] * folds[(1 + digit * 2) * BM + at.x];
                }
                if (needsWeightSums()) {
                    sum += folds[columns + 2 * BN] * folds[(2 + digit * 2) * BM + at.x];
                }
                each[digit] = sum;
                if (OUTPUT == 1 && at.y + c < arg.n) {
                    storeInteger(0, at.x, at.y + c, digit, sum);
                }
            }
            // From zero, as the contract's sum over groups starts.
            precise float sum = 0.0 + scaledSum(each[0], each[1], intBitsToFloat(folds[at.x]), intBitsToFloat(folds[columns]));
            results[c] = sum;
        }
        if (quads) {
            storeQuad(at.x, at.y, results, biasQuad(at.y), residuals[i]);
        } else if (OUTPUT == 0) {
            [[unroll]] for (uint c = 0; c < 4; c++) {
                if (at.y + c < arg.n) {
                    storeResult(at.x, at.y + c, results[c]);
                }
            }
        }
    }
}

void main() {
    tid = gl_LocalInvocationID.x;
    blocks = blockCount();
    groups = 1;
    firstRow = 0;
    firstColumn = gl_WorkGroupID.x * BN;
    subRow = (gl_SubgroupID / (BN / WN)) * WM;
    subColumn = (gl_SubgroupID % (BN / WN)) * WN;

    uint all = (blocks + STEP_BLOCKS - 1) / STEP_BLOCKS;
    uint begin = gl_WorkGroupID.z * all / SPLITS, end = (gl_WorkGroupID.z + 1) * all / SPLITS, last = max(end, 1) - 1;
    loadFold(0);
    // Steps beyond the last repeat it and are never multiplied.
    [[unroll]] for (uint set = 0; set < SETS; set++) {
        loadStep(set, min(begin + set, last));
    }
    storeFold(0);
    [[unroll]] for (uint f = 0; f < DIGITS * TM * TN; f++) {
        acc[f] = C_MATRIX(0);
    }
    for (uint first = begin; first < end; first += SETS) {
        [[unroll]] for (uint set = 0; set < SETS; set++) {
            uint step = first + set;
            if (set > 0 && step >= end) {
                break;
            }
            if (SETS == 1) {
                exchange(0, min(step + 1, last));
                barrier();
            } else {
                storeStep(set, 0);
                barrier();
                loadStep(set, min(step + SETS, last));
            }
            multiplyStep(0);
            barrier();
        }
    }
    leaveSums();
    if (arrivesLast(ArrivalCounters(arg.scratch), gl_WorkGroupID.x, SPLITS)) {
        finish();
    }
}

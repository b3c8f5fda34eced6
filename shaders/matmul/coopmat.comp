// Cooperative matrices (subgroup scope, signed bytes into 32-bit sums): from a few dozen tokens upward. A workgroup makes
// BM×BN outputs; per step it brings BK = 64·STEP_BLOCKS columns of both operands into shared memory, weights expanded to
// bytes on the way, while the matrices of the step before are multiplied. Each subgroup makes WM×WN of the outputs.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "matmul.glsl"

#include "matrix_tiles.glsl"
#include "store_quads.glsl"

const uint QUADS = (SCRATCH + SUBGROUP - 1) / SUBGROUP; // fours of a matrix that an invocation stores
bool quads;

// Token and first channel of the i-th of them.
uvec2 quadOf(uint i, uint row, uint column) {
    uint e = i * SUBGROUP + gl_SubgroupInvocationID;
    return uvec2(firstRow + subRow + row + e / (FN / 4), firstColumn + subColumn + column + e % (FN / 4) * 4);
}

bool isReal(uint i, uvec2 at) {
    return (SCRATCH % SUBGROUP == 0 || i * SUBGROUP + gl_SubgroupInvocationID < SCRATCH) && at.x < arg.m && at.y < arg.n;
}

// Stores one matrix of integers through shared memory, where positions are known.
void storeInts(C_MATRIX matrix, uint g, uint digit, uint row, uint column) {
    uint scratch = SCRATCH_AT + gl_SubgroupID * SCRATCH;
    coopMatStore(matrix, tiles, scratch, FN / 4, gl_CooperativeMatrixLayoutRowMajor);
    subgroupMemoryBarrierShared();
    subgroupBarrier();
    for (uint e = gl_SubgroupInvocationID; e < FM * FN; e += SUBGROUP) {
        uint m = firstRow + subRow + row + e / FN, n = firstColumn + subColumn + column + e % FN;
        if (m < arg.m && n < arg.n) {
            storeInteger(g, m, n, digit, int(tiles[scratch + e / 4][e % 4]));
        }
    }
    subgroupBarrier();
}

// The same of results; the tiles are no longer needed. What they are added to is asked for before they pass through shared memory:
// each load behind the store before it would cost a trip to memory (an NVIDIA H200: 51 us of a tile of 128 x 128).
void storeFloats(F_MATRIX matrix, uint row, uint column) {
    uint scratch = SCRATCH_AT + gl_SubgroupID * SCRATCH;
    vec4 biases[QUADS], residuals[QUADS];
    [[unroll]] for (uint i = 0; quads && i < QUADS; i++) {
        uvec2 at = quadOf(i, row, column);
        if (isReal(i, at)) {
            biases[i] = biasQuad(at.y);
            residuals[i] = residualQuad(at.x, at.y);
        }
    }
    coopMatStore(matrix, tiles, scratch, FN / 4, gl_CooperativeMatrixLayoutRowMajor);
    subgroupMemoryBarrierShared();
    subgroupBarrier();
    [[unroll]] for (uint i = 0; quads && i < QUADS; i++) {
        uvec2 at = quadOf(i, row, column);
        if (isReal(i, at)) {
            storeQuad(at.x, at.y, uintBitsToFloat(tiles[scratch + i * SUBGROUP + gl_SubgroupInvocationID]), biases[i], residuals[i]);
        }
    }
    for (uint e = gl_SubgroupInvocationID; !quads && e < FM * FN; e += SUBGROUP) {
        uint m = firstRow + subRow + row + e / FN, n = firstColumn + subColumn + column + e % FN;
        if (m < arg.m && n < arg.n) {
            storeResult(m, n, uintBitsToFloat(tiles[scratch + e / 4][e % 4]));
        }
    }
    subgroupBarrier();
}

C_MATRIX rowMatrix(uint base, uint item, uint row) {
    C_MATRIX matrix;
    coopMatLoad(matrix, folds, base + item * BM + subRow + row, 0, gl_CooperativeMatrixLayoutColumnMajor);
    return matrix;
}

C_MATRIX columnMatrix(uint base, uint item, uint column) {
    C_MATRIX matrix;
    coopMatLoad(matrix, folds, base + BM * ROW_ITEMS + item * BN + subColumn + column, 0, gl_CooperativeMatrixLayoutRowMajor);
    return matrix;
}

// Zero points of one finished matrix of sums; positions need not be known, because rows and columns come as matrices too.
C_MATRIX corrected(C_MATRIX sums, uint base, uint digit, uint row, uint column) {
    if (ZW != 0) {
        sums -= columnMatrix(base, 1, column) * rowMatrix(base, 1 + digit * 2, row);
    }
    if (needsWeightSums()) {
        sums += columnMatrix(base, 2, column) * rowMatrix(base, 2 + digit * 2, row);
    }
    return sums;
}

// Begins a group's sums.
void clearSums(uint copy) {
    [[unroll]] for (uint i = 0; i < DIGITS * TM; i++) {
        C_MATRIX zero = C_MATRIX(0);
        if (SHORT) {
            zero = rowMatrix(copy * FOLD, 1, i * FM);
        }
        [[unroll]] for (uint j = 0; j < TN; j++) {
            acc[i * TN + j] = zero;
        }
    }
}

// Ends a group of one matrix of outputs with zero points, digits, integers or a single group.
void foldAny(uint g, uint base, uint i, uint j, C_MATRIX sx, C_MATRIX sw) {
    C_MATRIX low = corrected(acc[i * TN + j], base, 0, i * FM, j * FN);
    C_MATRIX high;
    if (DIGITS == 2) {
        high = corrected(acc[(TM + i) * TN + j], base, 1, i * FM, j * FN);
    }
    if (OUTPUT == 1) {
        storeInts(low, g, 0, i * FM, j * FN);
        if (DIGITS == 2) {
            storeInts(high, g, 1, i * FM, j * FN);
        }
        return;
    }
    if (GROUP_BLOCKS == 0) {
        y[0] = F_MATRIX(0.0);
    }
    uint at = GROUP_BLOCKS == 0 ? 0 : i * TN + j;
    [[unroll]] for (uint e = 0; e < low.length(); e++) {
        precise float sum = y[at][e] + scaledSum(low[e], DIGITS == 2 ? high[e] : 0, intBitsToFloat(sx[e]), intBitsToFloat(sw[e]));
        y[at][e] = sum;
    }
    if (GROUP_BLOCKS == 0) {
        storeFloats(y[0], i * FM, j * FN);
    }
}

// Ends a group: adds its scaled sums to y. With one group y is stored at once, matrix by matrix.
void foldGroup(uint g, uint copy) {
    uint base = copy * FOLD;
    C_MATRIX sw[TN];
    [[unroll]] for (uint j = 0; OUTPUT == 0 && j < TN; j++) {
        sw[j] = columnMatrix(base, 0, j * FN);
    }
    [[unroll]] for (uint i = 0; i < TM; i++) {
        C_MATRIX sx;
        if (OUTPUT == 0) {
            sx = rowMatrix(base, 0, i * FM);
        }
        [[unroll]] for (uint j = 0; j < TN; j++) {
            if (SHORT) {
                [[unroll]] for (uint e = 0; e < sx.length(); e++) {
                    precise float value = intBitsToFloat(acc[i * TN + j][e]) - intBitsToFloat(SHORT_ZERO);
                    precise float p = intBitsToFloat(sx[e]) * intBitsToFloat(sw[j][e]);
                    precise float product = value * p;
                    precise float sum = y[i * TN + j][e] + product;
                    y[i * TN + j][e] = sum;
                }
            } else {
                foldAny(g, base, i, j, sx, sw[j]);
            }
        }
    }
}

void main() {
    tid = gl_LocalInvocationID.x;
    blocks = blockCount();
    groups = groupCount();

    // Neighbouring workgroups share a tile of weights over ROW_TILES tiles of rows, so that both operands stay in the cache.
    uint rowTiles = (arg.m + BM - 1) / BM, columnTiles = (arg.n + BN - 1) / BN;
    uint band = gl_WorkGroupID.x / (ROW_TILES * columnTiles);
    uint bandRows = min(ROW_TILES, rowTiles - band * ROW_TILES);
    uint inBand = gl_WorkGroupID.x - band * ROW_TILES * columnTiles;
    firstRow = (band * ROW_TILES + inBand % bandRows) * BM;
    firstColumn = (inBand / bandRows) * BN;
    subRow = (gl_SubgroupID / (BN / WN)) * WM;
    subColumn = (gl_SubgroupID % (BN / WN)) * WN;

    [[unroll]] for (uint i = 0; GROUP_BLOCKS != 0 && i < TM * TN; i++) {
        y[i] = F_MATRIX(0.0);
    }
    uint steps = (blocks + STEP_BLOCKS - 1) / STEP_BLOCKS, lastStep = steps - 1;
    uint groupSteps = GROUP_BLOCKS == 0 ? steps : GROUP_BLOCKS / STEP_BLOCKS;
    loadFold(0);
    // Steps beyond the last repeat it and are never multiplied.
    if (MOVES) {
        beginMoves();
    }
    [[unroll]] for (uint set = 0; set < SETS; set++) {
        if (MOVES && set == 1) {
            move(lastStep > 0);
        }
        loadStep(set, min(set, lastStep));
    }
    storeFold(0);
    if (STAGES == 2) {
        exchange(0, min(1, lastStep));
    }
    barrier();
    clearSums(0);
    uint g = 0, inGroup = 0;
    for (uint first = 0; first < steps; first += SETS) {
        [[unroll]] for (uint set = 0; set < SETS; set++) {
            uint step = first + set;
            if (set > 0 && step == steps) {
                break;
            }
            inGroup++;
            bool ends = step == lastStep || inGroup == groupSteps;
            if (GROUP_BLOCKS != 0 && inGroup == 1) {
                loadFold(min(g + 1, groups - 1));
            }
            if (STAGES == 2) {
                exchange((step + 1) & 1, min(step + 2, lastStep));
                multiplyStep(step & 1);
            } else if (SETS == 2) {
                storeStep(set, 0);
                barrier();
                if (MOVES) {
                    move(step + 2 <= lastStep);
                }
                loadStep(set, min(step + 2, lastStep));
                multiplyStep(0);
            } else {
                exchange(0, min(step + 1, lastStep));
                barrier();
                multiplyStep(0);
            }
            if (GROUP_BLOCKS != 0 && ends) {
                storeFold((g + 1) & 1);
                foldGroup(g, g & 1);
            }
            barrier();
            if (GROUP_BLOCKS != 0 && ends) {
                g++;
                inGroup = 0;
                clearSums(g & 1);
            }
        }
    }
    quads = storesQuads();
    if (GROUP_BLOCKS == 0) {
        foldGroup(0, 0);
    } else if (OUTPUT == 0) {
        [[unroll]] for (uint i = 0; i < TM * TN; i++) {
            storeFloats(y[i], (i / TN) * FM, (i % TN) * FN);
        }
    }
}

// What kernels with cooperative matrices have in common: both operands of a step through shared memory, weights expanded to bytes on the
// way, and what the epilogue needs of rows and columns. The shader includes matmul.glsl before.
#ifndef MATRIX_TILES_GLSL
#define MATRIX_TILES_GLSL

layout(local_size_x_id = 7) in;
layout(constant_id = 7) const uint INVOCATIONS = 128;
layout(constant_id = 8) const uint SUBGROUP = 32;
layout(constant_id = 9) const uint FM = 16; // matrix shape
layout(constant_id = 10) const uint FN = 16;
layout(constant_id = 11) const uint FK = 32;
layout(constant_id = 12) const uint BM = 128; // outputs of a workgroup
layout(constant_id = 13) const uint BN = 128;
layout(constant_id = 14) const uint WM = 64; // outputs of a subgroup
layout(constant_id = 15) const uint WN = 64;
layout(constant_id = 16) const uint STEP_BLOCKS = 1; // blocks of 64 columns per step
layout(constant_id = 17) const uint STAGES = 2; // copies of the tiles in shared memory
layout(constant_id = 18) const uint ROW_TILES = 8; // output tiles along M that neighbouring workgroups share weights over
layout(constant_id = 19) const uint UNROLLED = 1; // 0: a compiler that takes seconds over unrolled products gets a loop
layout(constant_id = 20) const uint SETS = 1; // steps held in registers on their way to shared memory; 2 with one stage only

const uint BK = 64 * STEP_BLOCKS;
// Matrices are loaded from whole vectors; where a matrix is only 8 codes deep, a vector holds 8 codes and 8 unused bytes.
const uint VECTOR_CODES = FK < 16 ? 8 : 16;
const uint STRIDE = BK / VECTOR_CODES + 1; // vectors per row; one vector of padding spreads rows over the banks
const uint X_ROWS = BM * DIGITS;
const uint STAGE = (X_ROWS + BN) * STRIDE;
const uint TM = WM / FM;
const uint TN = WN / FN;
const uint SUBGROUPS = INVOCATIONS / SUBGROUP;
const uint SCRATCH = FM * FN / 4; // vectors per subgroup to turn a matrix into known positions
const uint X_VECTORS = X_ROWS * (BK / 16);
const uint X_LOADS = (X_VECTORS + INVOCATIONS - 1) / INVOCATIONS;
const uint W_ITEMS = BN * STEP_BLOCKS;
const uint W_LOADS = (W_ITEMS + INVOCATIONS - 1) / INVOCATIONS;

// Integers of a group leave through memory of their own, because the tiles of the next step are already there.
const uint TILES = STAGE * STAGES;
const uint SCRATCH_AT = OUTPUT == 1 ? TILES : 0;
const uint SCRATCHES = SCRATCH * SUBGROUPS;
const uint VECTORS = SCRATCH_AT + SCRATCHES > TILES ? SCRATCH_AT + SCRATCHES : TILES;
shared uvec4 tiles[VECTORS];
// Per row and per column of the tile what the epilogue of a group needs; two copies, used in turn.
const uint ROW_ITEMS = 1 + 2 * DIGITS; // scale; per digit Σx - K·zx and -(zx - ox)
const uint COLUMN_ITEMS = 3; // scale, zw', Σw'
const uint FOLD = BM * ROW_ITEMS + BN * COLUMN_ITEMS;
const uint COPIES = GROUP_BLOCKS == 0 ? 1 : 2;
shared int folds[FOLD * COPIES];
const uint FOLD_LOADS = (BM + BN + INVOCATIONS - 1) / INVOCATIONS;
const uint FOLD_ITEMS = ROW_ITEMS > COLUMN_ITEMS ? ROW_ITEMS : COLUMN_ITEMS;

// Sums of at most 128 products of a signed byte and a weight (its zero point taken off, at most 255) stay below 2^22. Begun at the bits of 1.5·2^23, with the zero point's share
// of the row, their own bits are the float 1.5·2^23 + sum: a subtraction converts them.
#define SHORT (OUTPUT == 0 && DIGITS == 1 && ZX == 0 && ZW != 2 && (GROUP_BLOCKS == 1 || GROUP_BLOCKS == 2))
const int SHORT_ZERO = 0x4b400000;

#define A_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define B_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define C_MATRIX coopmat<int, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>
#define F_MATRIX coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>

uint tid, blocks, groups, firstRow, firstColumn, subRow, subColumn;
uvec4 xHeld[SETS * X_LOADS];
Block wHeld[SETS * W_LOADS];
int foldHeld[FOLD_LOADS * FOLD_ITEMS];
C_MATRIX acc[DIGITS * TM * TN];
F_MATRIX y[GROUP_BLOCKS == 0 ? 1 : TM * TN];

// The row and the column of the tile that vector e belongs to: 32 neighbours are 8 tokens' vectors of a block, as they lie in memory.
uint xRow(uint e) {
    return e / 32 / STEP_BLOCKS * 8 + tokenInTile(e);
}

uint xColumn(uint e) {
    return e / 32 % STEP_BLOCKS * 4 + e % 4;
}

// Addresses of what an invocation loads, moved on a step at a time: additions where indices would be made anew. Worth their registers
// where two steps of bytes are on their way and nothing is expanded (an NVIDIA H200: 544 to 576 TOPS; other widths 0 to 3 % slower).
#ifndef MOVES
#define MOVES (SETS == 2 && BITS == 8 && GROUP_BLOCKS == 0 && DIGITS == 1 && STEP_BLOCKS == 1 && BN % 32 == 0)
#endif
uvec2 xMoves[X_LOADS];
uvec2 wMoves[W_LOADS];

uvec2 advanced(uvec2 address, uint bytes) {
    uint carry, low = uaddCarry(address.x, bytes, carry);
    return uvec2(low, address.y + carry);
}

// The address of block `b`, each `bytes` long.
uvec2 blockAddress(uvec2 address, uint b, uint bytes) {
    uint high, low;
    umulExtended(b, bytes, high, low);
    return advanced(uvec2(address.x, address.y + high), low);
}

void beginMoves() {
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        uint e = i * INVOCATIONS + tid, row = X_VECTORS % INVOCATIONS == 0 || e < X_VECTORS ? xRow(e) : 0;
        xMoves[i] = blockAddress(uvec2(arg.x), activationAt(min(firstRow + row, arg.m - 1), blocks, 0) + e % 4, 16);
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        uint n = firstColumn + (i * INVOCATIONS + tid) % BN;
        wMoves[i] = blockAddress(uvec2(arg.w), min(n >> 5, (arg.n - 1) >> 5) * blocks, 256 * BITS);
    }
}

// To the next step, where there is one.
void move(bool more) {
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        xMoves[i] = advanced(xMoves[i], more ? 512 : 0);
    }
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        wMoves[i] = advanced(wMoves[i], more ? 256 * BITS : 0);
    }
}

void loadX(uint set, uint step, uint i) {
    if (MOVES) {
        xHeld[set * X_LOADS + i] = Vectors(xMoves[i]).v[0];
    } else {
        uint e = i * INVOCATIONS + tid;
        uint row = xRow(e), column = xColumn(e), b = step * STEP_BLOCKS + column / 4;
        uint digit = DIGITS == 2 && row >= BM ? 1 : 0;
        // Rows beyond M repeat the last; columns beyond K are zeros, so that the weights' do not count.
        uint m = min(firstRow + row - digit * BM, arg.m - 1);
        bool real = STEP_BLOCKS == 1 || b < blocks;
        xHeld[set * X_LOADS + i] = real && (X_VECTORS % INVOCATIONS == 0 || e < X_VECTORS) ? activationVector(digit, activationAt(m, blocks, b) + column % 4) : uvec4(0);
    }
}

void loadW(uint set, uint step, uint i) {
    uint e = i * INVOCATIONS + tid;
    uint row = e % BN, b = min(step * STEP_BLOCKS + e / BN, blocks - 1);
    uint n = firstColumn + row, tileRow = min(n >> 5, (arg.n - 1) >> 5);
    if (MOVES) {
        wHeld[set * W_LOADS + i] = loadBlock(Vectors(wMoves[i]), 0, e % 32);
    } else if (W_ITEMS % INVOCATIONS == 0 || e < W_ITEMS) {
        wHeld[set * W_LOADS + i] = loadBlock(arg.w, tileRow * blocks + b, n & 31);
    }
}

#include "put_vector.glsl"

void storeX(uint set, uint stage, uint i) {
    uint e = i * INVOCATIONS + tid;
    if (X_VECTORS % INVOCATIONS == 0 || e < X_VECTORS) {
        putVector(stage * STAGE + xRow(e) * STRIDE, xColumn(e), xHeld[set * X_LOADS + i]);
    }
}

void storeW(uint set, uint stage, uint i) {
    uint e = i * INVOCATIONS + tid;
    if (W_ITEMS % INVOCATIONS == 0 || e < W_ITEMS) {
        uint row = stage * STAGE + (X_ROWS + e % BN) * STRIDE, at = (e / BN) * 4;
        [[unroll]] for (uint h = 0; h < 2; h++) {
            uint d[8];
            expandChunk(wHeld[set * W_LOADS + i], h, d);
            putVector(row, at + h * 2, uvec4(d[0], d[1], d[2], d[3]));
            putVector(row, at + h * 2 + 1, uvec4(d[4], d[5], d[6], d[7]));
        }
    }
}

void loadStep(uint set, uint step) {
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        loadW(set, step, i);
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        loadX(set, step, i);
    }
}

void storeStep(uint set, uint stage) {
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        storeW(set, stage, i);
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        storeX(set, stage, i);
    }
}

// Stores the step in registers and asks for another, piece by piece: the first loads are on their way while the last pieces are stored.
void exchange(uint stage, uint step) {
    [[unroll]] for (uint i = 0; i < W_LOADS; i++) {
        storeW(0, stage, i);
        loadW(0, step, i);
    }
    [[unroll]] for (uint i = 0; i < X_LOADS; i++) {
        storeX(0, stage, i);
        loadX(0, step, i);
    }
}

void multiplyPart(uint base, uint kk) {
    uint at = base + kk * (FK / VECTOR_CODES);
    A_MATRIX a[DIGITS * TM];
    [[unroll]] for (uint i = 0; i < DIGITS * TM; i++) {
        uint row = (i / TM) * BM + subRow + (i % TM) * FM;
        coopMatLoad(a[i], tiles, at + row * STRIDE, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint j = 0; j < TN; j++) {
        B_MATRIX b;
        coopMatLoad(b, tiles, at + (X_ROWS + subColumn + j * FN) * STRIDE, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < DIGITS * TM; i++) {
            acc[i * TN + j] = coopMatMulAdd(a[i], b, acc[i * TN + j]);
        }
    }
}

void multiplyStep(uint stage) {
    uint base = stage * STAGE;
    if (UNROLLED != 0) {
        [[unroll]] for (uint kk = 0; kk < BK / FK; kk++) {
            multiplyPart(base, kk);
        }
    } else {
        [[dont_unroll]] for (uint kk = 0; kk < BK / FK; kk++) {
            multiplyPart(base, kk);
        }
    }
}

// Reads scales, zero points and sums of a group's rows and columns into registers.
void loadFold(uint g) {
    [[unroll]] for (uint i = 0; i < FOLD_LOADS; i++) {
        uint e = i * INVOCATIONS + tid, at = i * FOLD_ITEMS;
        if (e < BM) {
            uint m = min(firstRow + e, arg.m - 1);
            foldHeld[at] = OUTPUT == 0 ? floatBitsToInt(activationScale(g, m)) : 0;
            int zx = tokenZero(g, m);
            [[unroll]] for (uint digit = 0; digit < DIGITS; digit++) {
                uint sums = m * groups + g;
                int sx = ZW == 0 ? 0 : digit == 0 ? arg.xSums.v[sums] : arg.xHighSums.v[sums];
                int real = sx - columnsIn(g) * zx;
                foldHeld[at + 1 + digit * 2] = SHORT ? SHORT_ZERO - (ZW == 1 ? arg.zw * real : 0) : real;
                foldHeld[at + 2 + digit * 2] = offsetOf(digit) - zx;
            }
        } else if (e < BM + BN) {
            uint n = min(firstColumn + e - BM, arg.n - 1);
            foldHeld[at] = OUTPUT == 0 ? floatBitsToInt(weightScale(g, n)) : 0;
            foldHeld[at + 1] = weightZero(g, n);
            foldHeld[at + 2] = needsWeightSums() ? arg.wSums.v[g * paddedN() + n] : 0;
        }
    }
}

void storeFold(uint copy) {
    uint base = copy * FOLD;
    [[unroll]] for (uint i = 0; i < FOLD_LOADS; i++) {
        uint e = i * INVOCATIONS + tid, at = i * FOLD_ITEMS;
        if (e < BM) {
            [[unroll]] for (uint item = 0; item < ROW_ITEMS; item++) {
                folds[base + item * BM + e] = foldHeld[at + item];
            }
        } else if (e < BM + BN) {
            [[unroll]] for (uint item = 0; item < COLUMN_ITEMS; item++) {
                folds[base + BM * ROW_ITEMS + item * BN + e - BM] = foldHeld[at + item];
            }
        }
    }
}

#endif

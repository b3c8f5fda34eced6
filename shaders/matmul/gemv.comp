// One token: norm, quantizer, matrix-vector product and what follows it in one dispatch. Every workgroup prepares the whole row for
// itself, while its first weights are on their way behind it, and then stays for all of its tiles: so the row costs no dispatch, no
// barrier of the device and no trip to memory of its own, and is paid for once a workgroup, of which there are few.
//
// LINKED (include/links.glsl): the row comes from a dispatch that may still run, and what is left is for one that may have started. Gains, and
// the EARLY first blocks of weights, are asked for before it is waited for.
//
// As in dot.comp an invocation owns the same lane of TILES tiles for one slice of K; sums are exact integers, products of scale
// groups are added in group order. A turn is TILES tiles: its sums go through one of two halves of shared memory, and one slice
// finishes them while the others go on; a gate whose tiles take turns waits in a register for the turn behind it. Nothing here depends on
// the number of workgroups but who computes what.
//
// A processor issues in order: what is loaded is looked at where it is needed and not before, and sizes are constants.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "matmul.glsl"
#include "activation.glsl"
#include "partials.glsl"
#include "links.glsl"

layout(local_size_x_id = 7) in; // 32 · SLICES
layout(constant_id = 7) const uint INVOCATIONS = 1024;
layout(constant_id = 8) const uint DEPTH = 1; // blocks of a tile in flight; with groups a multiple of GROUP_BLOCKS
layout(constant_id = 9) const uint TILES = 1; // of a turn: 1, or 2 where it finishes with a gate: one of gate, one of up. With 1 they take turns
layout(constant_id = 10) const uint COLUMNS = 64; // K
layout(constant_id = 11) const uint ROW_BLOCKS = 1; // blocks of 64 codes of a row
layout(constant_id = 12) const uint GROUP_COLUMNS = 64; // real columns of a scale group
layout(constant_id = 13) const bool GROUP_SCALES = false; // a scale of activations for each group
layout(constant_id = 14) const uint QUANTIZER_MODE = 0;
layout(constant_id = 15) const uint CODE_BITS = 8;
layout(constant_id = 16) const float INVERSE_LEVELS = 0.0;
layout(constant_id = 17) const bool NORMALIZED = false; // RMSNorm before the quantizer
layout(constant_id = 18) const float INVERSE_COLUMNS = 0.0; // fl(1/K)
layout(constant_id = 19) const float EPSILON = 0.0;
layout(constant_id = 20) const uint STAGE = 64; // squares of a row in shared memory at a time, a multiple of 64
layout(constant_id = 21) const uint FINISH = 0;
layout(constant_id = 22) const uint ACTIVATION = 0;
layout(constant_id = 23) const bool GATED = false; // the row is f(gate)·up of gate and up side by side
layout(constant_id = 24) const uint UNITS = 1; // tiles of all workgroups, or pairs of gate and up
layout(constant_id = 25) const uint WORKGROUPS = 1;
layout(constant_id = 26) const uint PLACES = 1; // fields of a byte that are multiplied where they lie: 8 / BITS of 2 and 4 bits, else 1

const uint FINISH_STORE = 0u; // bias, residual
const uint FINISH_ACTIVATION = 1u; // bias, f
const uint FINISH_GATE = 2u; // biases, f(gate)·up: channel n and n + N/2

layout(constant_id = 28) const uint EARLY = 0; // with LINKED: blocks asked for before the row

// With LINKED in arg.flags: which rows other dispatches of the step leave, and where this one leaves its own. arg.x and arg.xHighSums are then
// the row and the residual, arg.xScales is what is left and arg.xSums who is told of waits in vain.
const uint LINKED_ROW = 16u;
const uint LINKED_RESIDUAL = 32u;
const uint LEAVES_LINKED = 64u;
const uint LEAVES_PLAIN = 128u;

#include "row_codes.glsl"

// arg.x is the row as f32, arg.xHigh the norm's gain.
layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer Quads { vec4 v[]; };

const uint SLICES = INVOCATIONS / 32;
const uint GROUP_STEPS = GROUP_BLOCKS == 0 ? 1 : GROUP_BLOCKS;
const uint GROUPS = GROUP_BLOCKS == 0 ? 1 : (ROW_BLOCKS + GROUP_BLOCKS - 1) / GROUP_STEPS;
const uint SCALES = GROUP_SCALES ? GROUPS : 1;
const uint SLICE_STEPS = GROUP_BLOCKS == 0 ? (ROW_BLOCKS + SLICES - 1) / SLICES : (GROUPS + SLICES - 1) / SLICES * GROUP_BLOCKS;
const uint STEPS = (SLICE_STEPS + DEPTH - 1) / DEPTH * DEPTH; // of a turn
const uint RECORDS = GROUP_BLOCKS == 0 ? 1 : DEPTH / GROUP_STEPS; // groups in flight
const uint ROW_WORDS = ROW_BLOCKS * 16;
const uint GROUP_WORDS = GROUP_BLOCKS == 0 ? ROW_WORDS : GROUP_BLOCKS * 16;
const uint HELD = (ROW_WORDS + INVOCATIONS - 1) / INVOCATIONS; // words of an invocation
const uint PARTS = GROUP_BLOCKS == 0 ? SLICES : GROUPS; // what is added up for an output
const uint SUMS_AHEAD = SLICES < 8 ? SLICES : 8; // slices are a power of two
const bool ALTERNATE = FINISH == FINISH_GATE && TILES == 1;
const uint UNIT_TURNS = ALTERNATE ? 2 : 1;
const uint TURNS = (UNITS + WORKGROUPS - 1) / WORKGROUPS * UNIT_TURNS; // the most of a workgroup
const uint SQUARES_AHEAD = 4;
const uint MOST_SUBGROUPS = INVOCATIONS / 4;
const uint RAGGED_SQUARES = COLUMNS % (64 * SQUARES_AHEAD) + STAGE % (64 * SQUARES_AHEAD);
const uint NO_COLUMN = 0xFFFFFFFFu;

shared uvec4 sharedX[ROW_BLOCKS * 4];
shared int sharedSums[2 * PARTS * TILES * 32];
shared vec2 stage[NORMALIZED ? STAGE / 2 : 1];
shared vec4 partials[8];
shared float normFactor;
shared uint never; // 0, once the row is here
shared uint low[SCALES], high[SCALES]; // ranges of groups: magnitudes
shared uvec2 ranges[GROUP_SCALES ? 1 : MOST_SUBGROUPS]; // of a row: of each subgroup
shared float tokenScale[SCALES];
shared int tokenZeroPoint[SCALES];
shared int tokenSum[GROUPS];

// Words as they are loaded: a channel's place in them is its lane.
struct Channel {
    uint scale, zero;
    int sum;
};

uint lane, slice, turns;
Block ring[DEPTH * TILES];
Channel channels[RECORDS * TILES];
Channel channelNow[TILES]; // of the group whose blocks are being summed
int acc[TILES * PLACES];
Channel ends[TILES];
float bias[TILES];
uint residual[TILES]; // bits: a float may lose which NaN it is
float gate; // of the turn before
vec4 held[HELD];
vec4 gain[HELD]; // the norm's, or what gates are multiplied with

uint unitOf(uint turn) {
    return turn / UNIT_TURNS * WORKGROUPS + gl_WorkGroupID.x;
}

uint tileOf(uint turn, uint r) {
    return unitOf(turn) + (ALTERNATE ? turn & 1 : r) * UNITS;
}

uint groupAt(uint step) {
    return GROUP_BLOCKS == 0 ? 0 : step / GROUP_STEPS * SLICES + slice;
}

// The block of a slice's step; beyond the end for the last steps of some slices.
uint blockAt(uint step) {
    return GROUP_BLOCKS == 0 ? step * SLICES + slice : groupAt(step) * GROUP_BLOCKS + step % GROUP_STEPS;
}

Channel loadChannel(uint g, uint n) {
    Channel c;
    uint at = weightScaleIndex(g, n);
    c.scale = arg.wScales.v[scaleWord(at)];
    c.zero = ZW == 2 ? arg.wZeros.v[zeroWord(at)] : 0;
    c.sum = needsWeightSums() ? arg.wSums.v[g * paddedN() + n] : 0;
    return c;
}

// Begins loading a step of a turn, for a row of its tiles, to place i of the ring, a constant wherever this is unrolled. Where there is no
// block its codes are 0.
void fetch(uint turn, uint step, uint i, uint row) {
    uint b = blockAt(step);
    if (GROUP_BLOCKS == 0 ? STEPS * SLICES == ROW_BLOCKS || b < ROW_BLOCKS : groupAt(step) < GROUPS && b < ROW_BLOCKS) {
        [[unroll]] for (uint r = 0; r < TILES; r++) {
            ring[i * TILES + r] = loadBlock(arg.w, tileOf(turn, r) * ROW_BLOCKS + b, row);
        }
    } else {
        [[unroll]] for (uint r = 0; r < TILES; r++) {
            ring[i * TILES + r] = Block(uvec4(0), uvec4(0), uvec4(0), uvec4(0), uvec2(0));
        }
    }
    if (GROUP_BLOCKS != 0 && i % GROUP_STEPS == 0) {
        uint g = min(groupAt(step), GROUPS - 1), record = i / GROUP_STEPS;
        [[unroll]] for (uint r = 0; r < TILES; r++) {
            channels[record * TILES + r] = loadChannel(g, tileOf(turn, r) * 32 + lane);
        }
    }
}

// Adds the products of a chunk's fields at their places in the bytes: those of place p count 2^(BITS·p) times.
void addFields(Block w, uint h, uint first, uvec4 x0, uvec4 x1) {
    uvec4 n = BITS == 4 ? (h == 0 ? w.f0 : w.f1) : (h == 0 ? w.f2.xyxy : w.f2.zwzw);
    [[unroll]] for (uint i = 0; i < 8; i++) {
        uint place = BITS == 4 ? i >> 2 : i >> 1;
        uint field = n[i & 3] & ((BITS == 4 ? 0x0f0f0f0fu : 0x03030303u) << (BITS * place));
        acc[first + place] += dotPacked4x8EXT(field, int(i < 4 ? x0[i & 3] : x1[i & 3]));
    }
}

// A tile's sum; every place's is a multiple of what it counts.
int summed(uint r) {
    int sum = acc[r * PLACES];
    [[unroll]] for (uint p = 1; p < PLACES; p++) {
        sum += acc[r * PLACES + p] >> (BITS * p);
    }
    return sum;
}

void clearSums(uint r) {
    [[unroll]] for (uint p = 0; p < PLACES; p++) {
        acc[r * PLACES + p] = 0;
    }
}

void accumulate(Block w[TILES], uint b) {
    [[unroll]] for (uint h = 0; h < 2; h++) {
        uvec4 x0 = sharedX[b * 4 + h * 2], x1 = sharedX[b * 4 + h * 2 + 1];
        [[unroll]] for (uint r = 0; r < TILES; r++) {
            if (PLACES > 1) {
                addFields(w[r], h, r * PLACES, x0, x1);
                continue;
            }
            uint d[8];
            expandChunk(w[r], h, d);
            [[unroll]] for (int i = 0; i < 4; i++) {
                acc[r] += dotPacked4x8EXT(int(d[i]), int(x0[i]));
                acc[r] += dotPacked4x8EXT(int(d[4 + i]), int(x1[i]));
            }
        }
    }
}

int columnsOf(uint g) {
    return int(GROUP_BLOCKS == 0 ? COLUMNS : min(GROUP_COLUMNS, COLUMNS - g * GROUP_COLUMNS));
}

float product(int sum, Channel c, uint g) {
    uint s = GROUP_SCALES ? g : 0;
    int zero = ZW == 2 ? zeroIn(c.zero, lane) : ZW == 1 ? arg.zw : 0;
    int value = corrected(sum, 0, zero, c.sum, ZX == 2 ? tokenZeroPoint[s] : 0, tokenSum[g], columnsOf(g));
    return scaledSum(value, 0, tokenScale[s], scaleIn(c.scale, lane));
}

uint columnOf(uint word) {
    uint group = GROUP_BLOCKS == 0 ? 0 : word / GROUP_WORDS, offset = (word - group * GROUP_WORDS) * 4;
    uint column = group * GROUP_COLUMNS + offset;
    return word < ROW_WORDS && column < COLUMNS && (GROUP_BLOCKS == 0 ? true : offset < GROUP_COLUMNS) ? column : NO_COLUMN;
}

uint scaleOf(uint word) {
    return GROUP_SCALES ? min(word, ROW_WORDS - 1) / GROUP_WORDS : 0;
}

// A linked residual has long been there when it is needed; it is looked at then.
uint residualAt(uint n) {
    if (LINKED && (arg.flags & LINKED_RESIDUAL) != 0) {
        return lookAt(LinkedRow(arg.xHighSums), linkedPlace(n, arg.n));
    }
    return floatBitsToUint(residualOf(0, n));
}

float residualOnceThere(uint n, uint seen) {
    if (LINKED && (arg.flags & LINKED_RESIDUAL) != 0 && seen == ABSENT) {
        return awaitValue(LinkedRow(arg.xHighSums), linkedPlace(n, arg.n), Undone(arg.xSums));
    }
    return uintBitsToFloat(seen);
}

// What the turn that this slice finishes next needs: slice s finishes units s, s + SLICES, …
void loadEnds(uint turn) {
    [[unroll]] for (uint r = 0; r < TILES; r++) {
        uint n = tileOf(turn, r) * 32 + lane;
        if (GROUP_BLOCKS == 0) {
            ends[r] = loadChannel(0, n);
        }
        bias[r] = biasOf(min(n, arg.n - 1));
        residual[r] = FINISH != FINISH_STORE ? 0 : residualAt(min(n, arg.n - 1));
    }
}

// The first weights, behind the barrier that tells that the row is here: in front of it, or beside it, they would hold it up, and everything
// waits for the row. Compilers load as early as they can: what they cannot know is that this word of shared memory is 0 (1 where the row was given up).
void fetchFirst() {
    uint row = lane ^ never;
    [[unroll]] for (uint i = 0; i < DEPTH; i++) {
        if (!LINKED || i >= EARLY) {
            fetch(0, i, i, row);
        }
    }
    if (slice * UNIT_TURNS < turns) {
        loadEnds(slice * UNIT_TURNS);
    }
}

void rowIsHere() {
    if (gl_LocalInvocationID.x == 0) {
        never = (floatBitsToUint(held[0].x) & floatBitsToUint(held[0].w)) == 0xFFFFFFFFu ? 1 : 0;
    }
}

vec2 squares(uint at, uint pairs) {
    return RAGGED_SQUARES == 0 || at < pairs ? stage[at] : vec2(0.0);
}

// Contract.OrderedDot of the row with itself: 32 invocations add 32 partials in element order, the next terms on their way.
float sumOfSquares() {
    precise float partial = 0.0;
    for (uint first = 0; first < COLUMNS; first += STAGE) {
        uint pairs = min(STAGE, COLUMNS - first) / 2;
        if (first > 0) {
            barrier();
        }
        [[unroll]] for (uint i = 0; i < HELD; i++) {
            uint column = columnOf(gl_LocalInvocationID.x + i * INVOCATIONS), at = column - first;
            if (column != NO_COLUMN && at < STAGE) {
                precise vec4 square = held[i] * held[i];
                stage[at >> 1] = square.xy;
                stage[(at >> 1) + 1] = square.zw;
            }
        }
        if (first == 0) {
            rowIsHere();
        }
        barrier();
        if (first == 0) {
            fetchFirst();
        }
        if (gl_LocalInvocationID.x < 32) {
            vec2 next[SQUARES_AHEAD];
            [[unroll]] for (uint j = 0; j < SQUARES_AHEAD; j++) {
                next[j] = squares(gl_LocalInvocationID.x + j * 32, pairs);
            }
            [[dont_unroll]] for (uint at = gl_LocalInvocationID.x; at < pairs; at += 32 * SQUARES_AHEAD) {
                vec2 v[SQUARES_AHEAD] = next;
                if (at + 32 * SQUARES_AHEAD < pairs) {
                    [[unroll]] for (uint j = 0; j < SQUARES_AHEAD; j++) {
                        next[j] = squares(at + (SQUARES_AHEAD + j) * 32, pairs);
                    }
                }
                [[unroll]] for (uint j = 0; j < SQUARES_AHEAD; j++) {
                    partial = partial + v[j].x;
                    partial = partial + v[j].y;
                }
            }
        }
    }
    return partial;
}

// 1/√(mean x² + ε) by one invocation, as many would only wait for each other.
float inverseDeviation() {
    float partial = sumOfSquares();
    if (gl_LocalInvocationID.x < 32) {
        partials[gl_LocalInvocationID.x / 4][gl_LocalInvocationID.x % 4] = partial;
    }
    barrier();
    if (gl_LocalInvocationID.x == 0) {
        vec4 all[8];
        [[unroll]] for (uint i = 0; i < 8; i++) {
            all[i] = partials[i];
        }
        precise float shifted = foldPartials(all) * INVERSE_COLUMNS;
        shifted = shifted + EPSILON;
        normFactor = reciprocalSquareRoot(shifted);
    }
    barrier();
    return normFactor;
}

// Both are ≥ +0, where float order is integer order. A subgroup inside one range gives one; where there is one of all, to a place of its own:
// atomics to one word wait for each other.
void shareRange(uint s, float below, float above) {
    uint b = floatBitsToUint(below), a = floatBitsToUint(above);
    if (!GROUP_SCALES) {
        b = subgroupMax(b);
        a = subgroupMax(a);
        if (subgroupElect()) {
            ranges[gl_SubgroupID] = uvec2(b, a);
        }
        return;
    }
    if (subgroupAllEqual(s)) {
        b = subgroupMax(b);
        a = subgroupMax(a);
        if (!subgroupElect()) {
            return;
        }
    }
    atomicMax(low[s], b);
    atomicMax(high[s], a);
}

uvec2 wholeRange() {
    uvec2 range = uvec2(0);
    for (uint i = gl_SubgroupInvocationID; i < gl_NumSubgroups; i += gl_SubgroupSize) {
        range = max(range, ranges[i]);
    }
    return uvec2(subgroupMax(range.x), subgroupMax(range.y));
}

void shareSum(uint g, int sum) {
    if (GROUP_BLOCKS == 0 || subgroupAllEqual(g)) {
        sum = subgroupAdd(sum);
        if (!subgroupElect()) {
            return;
        }
    }
    atomicAdd(tokenSum[g], sum);
}

void loadGain() {
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        uint column = columnOf(gl_LocalInvocationID.x + i * INVOCATIONS);
        if (NORMALIZED) {
            gain[i] = column != NO_COLUMN ? Quads(arg.xHigh).v[column >> 2] : vec4(0.0);
        }
    }
}

void loadRow() {
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        uint column = columnOf(gl_LocalInvocationID.x + i * INVOCATIONS);
        held[i] = column != NO_COLUMN ? Quads(arg.x).v[column >> 2] : vec4(0.0);
        if (GATED) {
            gain[i] = column != NO_COLUMN ? Quads(arg.x).v[(column + COLUMNS) >> 2] : vec4(0.0);
        }
    }
}

// The same of a row that is on its way: all of it asked for at once, then again what was not there.
void awaitRow() {
    const uint WIDTH = GATED ? 2 * COLUMNS : COLUMNS;
    uvec4 row[HELD], up[GATED ? HELD : 1];
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        // Where there is no column, the first: its codes are not written.
        uint column = columnOf(gl_LocalInvocationID.x + i * INVOCATIONS), quad = column != NO_COLUMN ? column >> 2 : 0;
        row[i] = lookAtQuad(LinkedRow(arg.x), quad, WIDTH);
        if (GATED) {
            up[i] = lookAtQuad(LinkedRow(arg.x), quad + COLUMNS / 4, WIDTH);
        }
    }
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        uint column = columnOf(gl_LocalInvocationID.x + i * INVOCATIONS), quad = column != NO_COLUMN ? column >> 2 : 0;
        while (any(equal(row[i], uvec4(ABSENT))) && looksOn(Undone(arg.xSums))) {
            row[i] = lookAtQuad(LinkedRow(arg.x), quad, WIDTH);
        }
        held[i] = column != NO_COLUMN ? uintBitsToFloat(row[i]) : vec4(0.0);
        if (GATED) {
            while (any(equal(up[i], uvec4(ABSENT))) && looksOn(Undone(arg.xSums))) {
                up[i] = lookAtQuad(LinkedRow(arg.x), quad + COLUMNS / 4, WIDTH);
            }
            gain[i] = column != NO_COLUMN ? uintBitsToFloat(up[i]) : vec4(0.0);
        }
    }
}

void storeCodes() {
    int sum = 0;
    float scale, inverse, zero;
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        uint word = gl_LocalInvocationID.x + i * INVOCATIONS, s = scaleOf(word);
        if (GROUP_SCALES) {
            findScale(uintBitsToFloat(low[s]), uintBitsToFloat(high[s]), INVERSE_LEVELS, scale, inverse, zero);
        } else if (i == 0) {
            uvec2 range = wholeRange();
            findScale(uintBitsToFloat(range.x), uintBitsToFloat(range.y), INVERSE_LEVELS, scale, inverse, zero);
        }
        if (word < ROW_WORDS) {
            uint packed = 0;
            if (columnOf(word) != NO_COLUMN) {
                [[unroll]] for (uint j = 0; j < 4; j++) {
                    int code = dynamicCodeOfBits(held[i][j], inverse, int(zero));
                    packed |= uint((code - codeOffset()) & 255) << (8 * j);
                    sum += code;
                }
            }
            sharedX[word >> 2][word & 3] = packed;
            if (word == (GROUP_SCALES ? s * GROUP_WORDS : 0)) {
                tokenScale[s] = scale;
                tokenZeroPoint[s] = int(zero);
            }
        }
        if (GROUP_BLOCKS != 0) {
            shareSum(min(word, ROW_WORDS - 1) / GROUP_WORDS, sum);
            sum = 0;
        }
    }
    if (GROUP_BLOCKS == 0) {
        shareSum(0, sum);
    }
}

// The row, normalised and quantized, in shared memory.
void prepareRow() {
    for (uint g = gl_LocalInvocationID.x; g < GROUPS; g += INVOCATIONS) {
        tokenSum[g] = 0;
        if (GROUP_SCALES) {
            low[g] = 0;
            high[g] = 0;
        }
    }
    if (GATED) {
        [[unroll]] for (uint i = 0; i < HELD; i++) {
            [[unroll]] for (uint j = 0; j < 4; j++) {
                precise float v = activated(ACTIVATION, held[i][j]) * gain[i][j];
                held[i][j] = canonical(v);
            }
        }
    }
    float factor = NORMALIZED ? inverseDeviation() : 1.0;
    if (!NORMALIZED && GROUP_SCALES) {
        barrier();
    }
    float below = 0.0, above = 0.0;
    [[unroll]] for (uint i = 0; i < HELD; i++) {
        if (NORMALIZED) {
            precise vec4 v = held[i] * factor;
            v = v * gain[i];
            held[i] = vec4(canonical(v.x), canonical(v.y), canonical(v.z), canonical(v.w));
        }
        widen(held[i], below, above);
        if (GROUP_SCALES) {
            shareRange(scaleOf(gl_LocalInvocationID.x + i * INVOCATIONS), below, above);
            below = 0.0;
            above = 0.0;
        }
    }
    if (!GROUP_SCALES) {
        shareRange(0, below, above);
    }
    if (!NORMALIZED) {
        rowIsHere();
    }
    barrier();
    if (!NORMALIZED) {
        fetchFirst();
    }
    storeCodes();
    barrier();
}

uint sumAt(uint turn, uint part, uint r) {
    return (((turn & 1) * PARTS + part) * TILES + r) * 32 + lane;
}

// A finished sum over groups of an output, with what its tile needs.
float finished(uint turn, uint r, Channel c) {
    precise float y = 0.0;
    if (GROUP_BLOCKS == 0) {
        int sum = 0;
        [[dont_unroll]] for (uint s = 0; s < SLICES; s += SUMS_AHEAD) {
            [[unroll]] for (uint i = 0; i < SUMS_AHEAD; i++) {
                sum += sharedSums[sumAt(turn, s + i, r)];
            }
        }
        // From zero: y = 0 + I·p, as the contract's sum over groups starts.
        y = y + product(sum, c, 0);
    } else {
        uint g = 0;
        for (; g + 8 <= GROUPS; g += 8) {
            float p[8];
            [[unroll]] for (uint i = 0; i < 8; i++) {
                p[i] = intBitsToFloat(sharedSums[sumAt(turn, g + i, r)]);
            }
            [[unroll]] for (uint i = 0; i < 8; i++) {
                y = y + p[i];
            }
        }
        for (; g < GROUPS; g++) {
            y = y + intBitsToFloat(sharedSums[sumAt(turn, g, r)]);
        }
    }
    return y;
}

float withBias(float sum, float bias) {
    precise float v = sum;
    if ((arg.flags & BIAS) != 0) {
        v = v + bias;
    }
    return canonical(v);
}

void put(uint n, float v) {
    if (LINKED && (arg.flags & LEAVES_LINKED) != 0) {
        leaveValue(LinkedRow(arg.xScales), linkedPlace(n, FINISH == FINISH_GATE ? arg.n / 2 : arg.n), v);
    }
    if (!LINKED || (arg.flags & LEAVES_PLAIN) != 0) {
        arg.y.v[n] = v;
    }
}

void finish(uint turn) {
    float y[TILES];
    [[unroll]] for (uint r = 0; r < TILES; r++) {
        y[r] = finished(turn, r, ends[r]);
    }
    uint unit = unitOf(turn);
    if (ALTERNATE && (turn & 1) == 0) {
        gate = withBias(y[0], bias[0]);
        return;
    }
    if (FINISH == FINISH_GATE) {
        precise float v = activated(ACTIVATION, ALTERNATE ? gate : withBias(y[0], bias[0])) * withBias(y[TILES - 1], bias[TILES - 1]);
        put(unit * 32 + lane, canonical(v));
        return;
    }
    [[unroll]] for (uint r = 0; r < TILES; r++) {
        uint n = (unit + r * UNITS) * 32 + lane;
        if (n < arg.n) {
            if (FINISH == FINISH_ACTIVATION) {
                put(n, canonical(activated(ACTIVATION, withBias(y[r], bias[r]))));
            } else if (LINKED) {
                put(n, finished(y[r], bias[r], residualOnceThere(n, residual[r])));
            } else {
                storeFinished(0, n, y[r], bias[r], uintBitsToFloat(residual[r]));
            }
        }
    }
}

void main() {
    lane = gl_LocalInvocationID.x & 31;
    slice = gl_LocalInvocationID.x >> 5;
    turns = TURNS == UNIT_TURNS ? TURNS : (UNITS - gl_WorkGroupID.x + WORKGROUPS - 1) / WORKGROUPS * UNIT_TURNS;
    if (LINKED) {
        loadGain();
        [[unroll]] for (uint i = 0; i < min(EARLY, DEPTH); i++) {
            fetch(0, i, i, lane);
        }
    }
    if (LINKED && (arg.flags & LINKED_ROW) != 0) {
        awaitRow();
    } else {
        loadRow();
    }
    if (!LINKED) {
        loadGain();
    }
    prepareRow();

    for (uint turn = 0; turn < turns; turn++) {
        [[unroll]] for (uint r = 0; r < TILES; r++) {
            clearSums(r);
        }
        for (uint step = 0; step < STEPS; step += DEPTH) {
            [[unroll]] for (uint i = 0; i < DEPTH; i++) {
                Block now[TILES];
                [[unroll]] for (uint r = 0; r < TILES; r++) {
                    now[r] = ring[i * TILES + r];
                    if (GROUP_BLOCKS != 0 && i % GROUP_STEPS == 0) {
                        channelNow[r] = channels[i / GROUP_STEPS * TILES + r];
                    }
                }
                uint next = step + i + DEPTH;
                if (next < STEPS) {
                    fetch(turn, next, i, lane);
                } else if (TURNS > 1 && turn + 1 < turns) {
                    fetch(turn + 1, next - STEPS, i, lane);
                }
                accumulate(now, min(blockAt(step + i), ROW_BLOCKS - 1));
                if (GROUP_BLOCKS != 0 && (i + 1) % GROUP_STEPS == 0) {
                    uint g = groupAt(step + i);
                    [[unroll]] for (uint r = 0; r < TILES; r++) {
                        if (g < GROUPS) {
                            sharedSums[sumAt(turn, g, r)] = floatBitsToInt(product(summed(r), channelNow[r], g));
                        }
                        clearSums(r);
                    }
                }
            }
        }
        if (GROUP_BLOCKS == 0) {
            [[unroll]] for (uint r = 0; r < TILES; r++) {
                sharedSums[sumAt(turn, slice, r)] = summed(r);
            }
        }
        barrier();
        if (slice == turn / UNIT_TURNS % SLICES) {
            finish(turn);
            if (ALTERNATE && (turn & 1) == 0) {
                loadEnds(turn + 1);
            } else if (TURNS > SLICES && turn + 1 + (SLICES - 1) * UNIT_TURNS < turns) {
                loadEnds(turn + 1 + (SLICES - 1) * UNIT_TURNS);
            }
        }
    }
}

// Operands and epilogue that every matmul kernel shares: y (M×N) = x (M×K) · wᵀ (N×K).
//
// Codes on the device are signed bytes, x' = x - ox and w' = w - ow. With zw' = zw - ow and zx' = zx - ox,
//   Σ (x - zx)(w - zw) = Σ x'w' - zw'·(Σx - K·zx) - zx'·Σw'          (int32, wrap-around; the true value fits)
// Padding columns of x' are 0, so the padding of w' never counts. Σx and zx are those of the codes, zw' and Σw' those stored.
#ifndef MATMUL_GLSL
#define MATMUL_GLSL

#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_control_flow_attributes : require

layout(constant_id = 0) const uint BITS = 4; // weight planes
layout(constant_id = 1) const uint DIGITS = 1; // 2: 16-bit activations, low digit then high digit
layout(constant_id = 2) const uint GROUP_BLOCKS = 0; // blocks per scale group, 0 where there is one group
layout(constant_id = 3) const uint ZW = 2; // stored weight zero points: 0 all zero, 1 one constant, 2 per channel and group
layout(constant_id = 4) const uint ZX = 2; // stored activation zero points: 0 all zero, 1 minus the offset, 2 per token (and group)
layout(constant_id = 5) const uint OUTPUT = 0; // 0 f32, 1 int32 per group before scaling
layout(constant_id = 41) const uint WEIGHT_SPAN = 1; // groups that share a weight scale and zero point, 0 = all
layout(constant_id = 42) const uint X_SPAN = 1; // groups that share an activation's, where X_GROUPED

const uint X_GROUPED = 1; // flags: activation scales per group or X_SPAN groups, not per token
const uint BIAS = 2;
const uint RESIDUAL = 4; // y is added to
const uint HALF = 8; // y is f16

#include "activation_tiles.glsl"
#include "weights.glsl"
#include "weight_scales.glsl"
#include "contract.glsl"

layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer Floats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer Ints { int v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Result { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer IntResult { int v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer HalfResult { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer Shared { int v[]; };

layout(push_constant) uniform Arguments {
    Vectors x; // stored codes, in tiles (activation_tiles.glsl)
    Vectors xHigh; // high digits, likewise
    Ints xScales; // f32 bits and zero point, [2·m] or [2·(m·⌈groups/X_SPAN⌉ + g/X_SPAN)]
    Ints xSums; // Σ codes, [m·groups + g]
    Ints xHighSums;
    Vectors w;
    Words wScales; // f32 or halves, [g/WEIGHT_SPAN·paddedN + n]
    Words wZeros; // zw', bytes or fields of four bits in the same order
    Ints wSums; // Σ w', [g·paddedN + n]
    Floats bias; // [n]
    Result y; // [m·yStride + n] f32 or f16; int32: [((digit·groups + g)·M + m)·N + n], high digits after the low ones
    uint m, n, k;
    uint groupSize;
    uint yStride;
    int zw; // zw' where ZW = 1
    int xOffset; // ox of the digit, or of the high digit; a low digit has 128
    uint flags; // X_GROUPED | BIAS | RESIDUAL | HALF
#ifdef SPLITS_K
    Shared scratch; // of workgroups that share outputs
#endif
} arg;

uint groupCount() {
    return GROUP_BLOCKS == 0 ? 1 : (arg.k + arg.groupSize - 1) / arg.groupSize;
}

uint blockCount() {
    if (GROUP_BLOCKS == 0) {
        return (arg.k + 63) / 64;
    }
    uint full = groupCount() - 1;
    return full * GROUP_BLOCKS + (arg.k - full * arg.groupSize + 63) / 64;
}

// Words of four codes of digit 0 or 1.
uvec4 activationVector(uint digit, uint at) {
    return DIGITS == 2 && digit == 1 ? arg.xHigh.v[at] : arg.x.v[at];
}

// Real columns of a group.
int columnsIn(uint g) {
    return int(GROUP_BLOCKS == 0 ? arg.k : min(arg.groupSize, arg.k - g * arg.groupSize));
}

uint paddedN() {
    return (arg.n + 31) & ~31u;
}

// Where the scale and the zero point of a channel stand.
uint weightScaleIndex(uint g, uint n) {
    return WEIGHT_SPAN == 0 ? n : g / WEIGHT_SPAN * paddedN() + n;
}

float weightScale(uint g, uint n) {
    uint at = weightScaleIndex(g, n);
    return scaleIn(arg.wScales.v[scaleWord(at)], at);
}

int weightZero(uint g, uint n) {
    if (ZW == 2) {
        uint at = weightScaleIndex(g, n);
        return zeroIn(arg.wZeros.v[zeroWord(at)], at);
    }
    return ZW == 1 ? arg.zw : 0;
}

uint scaleIndex(uint g, uint m) {
    return 2 * ((arg.flags & X_GROUPED) != 0 ? m * ((groupCount() + X_SPAN - 1) / X_SPAN) + g / X_SPAN : m);
}

int offsetOf(uint digit) {
    return DIGITS == 2 && digit == 0 ? 128 : arg.xOffset;
}

// The zero point of the codes (before storing).
int tokenZero(uint g, uint m) {
    return ZX == 2 ? arg.xScales.v[scaleIndex(g, m) + 1] : 0;
}

bool needsWeightSums() {
    return ZX != 0 || DIGITS == 2;
}

// The integer part of the epilogue from a raw sum of stored codes, everything it needs already loaded.
int corrected(int acc, uint digit, int zw, int sw, int zx, int sx, int columns) {
    int sum = needsWeightSums() ? acc - (zx - offsetOf(digit)) * sw : acc;
    if (ZW != 0) {
        sum -= zw * (sx - columns * zx);
    }
    return sum;
}

// The same with zw and sw as loaded for (g, n).
int correctedSum(int acc, uint g, uint m, uint digit, int zw, int sw) {
    int sx = 0;
    if (ZW != 0) {
        uint at = m * groupCount() + g;
        sx = digit == 0 ? arg.xSums.v[at] : arg.xHighSums.v[at];
    }
    return corrected(acc, digit, zw, sw, tokenZero(g, m), sx, columnsIn(g));
}

int correctedSumOf(int acc, uint g, uint m, uint n, uint digit) {
    return correctedSum(acc, g, m, digit, weightZero(g, n), needsWeightSums() ? arg.wSums.v[g * paddedN() + n] : 0);
}

float activationScale(uint g, uint m) {
    return intBitsToFloat(arg.xScales.v[scaleIndex(g, m)]);
}

// One group's contribution, (float)I · (sx · sw); with two digits (float)I is (float)H · 256 + (float)L.
float scaledSum(int low, int high, float sx, float sw) {
    precise float p = sx * sw;
    precise float value = float(low);
    if (DIGITS == 2) {
        precise float upper = float(high) * 256.0;
        value = upper + float(low);
    }
    precise float result = value * p;
    return result;
}

void storeInteger(uint g, uint m, uint n, uint digit, int value) {
    IntResult(arg.y).v[((digit * groupCount() + g) * arg.m + m) * arg.n + n] = value;
}

float biasOf(uint n) {
    return (arg.flags & BIAS) != 0 ? arg.bias.v[n] : 0.0;
}

float residualOf(uint m, uint n) {
    uint at = m * arg.yStride + n;
    if ((arg.flags & RESIDUAL) == 0) {
        return 0.0;
    }
    return (arg.flags & HALF) != 0 ? halfToFloat(HalfResult(arg.y).v[at >> 1] >> (at & 1) * 16 & 0xffff) : arg.y.v[at];
}

// One f16 of a word whose other half belongs to another invocation: atomics need no 16-bit storage.
void storeHalf(uint at, float v) {
    HalfResult y = HalfResult(arg.y);
    uint shift = (at & 1) * 16;
    atomicAnd(y.v[at >> 1], ~(0xffffu << shift));
    atomicOr(y.v[at >> 1], floatToHalf(v) << shift);
}

// Bias and residual of a sum over groups.
float finished(float sum, float bias, float residual) {
    precise float v = sum;
    if ((arg.flags & BIAS) != 0) {
        v = v + bias;
    }
    v = canonical(v);
    if ((arg.flags & RESIDUAL) != 0) {
        precise float r = residual + v;
        v = canonical(r);
    }
    return v;
}

void storeFinished(uint m, uint n, float sum, float bias, float residual) {
    float v = finished(sum, bias, residual);
    uint at = m * arg.yStride + n;
    if ((arg.flags & HALF) != 0) {
        storeHalf(at, v);
    } else {
        arg.y.v[at] = v;
    }
}

void storeResult(uint m, uint n, float sum) {
    storeFinished(m, n, sum, biasOf(n), residualOf(m, n));
}

#endif

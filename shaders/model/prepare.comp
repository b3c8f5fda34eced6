#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "contract.glsl"
#include "activation.glsl"
#include "buffers.glsl"
#include "handshake.glsl"

// One row of activations through RMSNorm, LayerNorm, an activation, a gate or nothing, then quantized for a linear layer, kept as
// f32, or added to a row of the residual stream. One workgroup per row; see include/prepare.glsl. With PARTS > 1 several
// workgroups compute the values of a row and the last of them to finish quantizes it: an activation's exp is too much for one
// when there are few rows.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint QUANTIZER_MODE = 0;
layout(constant_id = 2) const uint CODE_BITS = 8;
layout(constant_id = 3) const bool HAS_MAP = false;
layout(constant_id = 4) const uint GROUP_CAPACITY = 1;
layout(constant_id = 5) const uint GROUP_WORDS = 1;         // words of four codes in a group's blocks
layout(constant_id = 6) const bool QUADS = false;           // the four values of a word are neighbours, and rows start on 16 bytes
layout(constant_id = 7) const uint HELD = 1;                // words of an invocation whose values stay in registers
layout(constant_id = 8) const uint SOURCE = 0;
layout(constant_id = 9) const bool SELECTED_ROWS = false;
layout(constant_id = 10) const uint STAGE = 4096;           // floats of a row held in shared memory, a multiple of 64
layout(constant_id = 11) const uint PARTS = 1;
layout(constant_id = 12) const uint ACTIVATION = 0;
layout(constant_id = 13) const bool RESIDUAL = false;       // f32 output is added to what is there

const uint SOURCE_COPY = 0u;
const uint SOURCE_RMS_NORM = 1u;
const uint SOURCE_LAYER_NORM = 2u;
const uint SOURCE_GATE = 3u;
const uint SOURCE_ACTIVATION = 4u;

#include "prepare_push.glsl"

layout(push_constant) uniform Push
{
    InFloats x;
    InFloats norm;          // gain, then LayerNorm's bias
    InWords selection;      // rows to read, where selected; with PARTS > 1 the workgroups of each row that are done, 0 before and after
    SharedFloats y;         // f32 output of MODE_FLOAT, or the residual stream; with PARTS > 1 the values of each row
    InMap map;
    Prepared prepared;
    Quantizer quantizer;
    uint sourceColumns;
    float inverseColumns;   // fl(1/K)
    float epsilon;
};

uint inputRow;
float mean = 0.0;
float inverseDeviation = 0.0;
bool gathered = false;      // values are read from y

// LayerNorm's bias; 0 for RMSNorm, which has none.
float normalized(float raw, float gain, float bias)
{
    precise float centred = raw - mean;
    precise float scaled = centred * inverseDeviation;
    precise float v = scaled * gain;
    if (SOURCE == SOURCE_LAYER_NORM)
    {
        v = v + bias;
    }

    return canonical(v);
}

float gated(float gate, float up)
{
    precise float v = activated(ACTIVATION, gate) * up;
    return canonical(v);
}

float inputValue(uint k)
{
    if (PARTS > 1u && gathered)
    {
        return y.v[inputRow * sourceColumns + k];
    }

    if (SOURCE == SOURCE_GATE)
    {
        uint at = inputRow * sourceColumns * 2u + k;
        return gated(x.v[at], x.v[at + sourceColumns]);
    }

    float raw = x.v[inputRow * sourceColumns + k];
    if (SOURCE == SOURCE_RMS_NORM || SOURCE == SOURCE_LAYER_NORM)
    {
        return normalized(raw, norm.v[k], SOURCE == SOURCE_LAYER_NORM ? norm.v[sourceColumns + k] : 0.0);
    }

    return SOURCE == SOURCE_ACTIVATION ? canonical(activated(ACTIVATION, raw)) : raw;
}

vec4 rawValues(uint k)
{
    return InQuads(x).v[(inputRow * sourceColumns + k) >> 2];
}

// From raw values and their gains.
vec4 normalizedValues(vec4 raw, vec4 gain, uint k)
{
    vec4 bias = SOURCE == SOURCE_LAYER_NORM ? InQuads(norm).v[(sourceColumns + k) >> 2] : vec4(0.0);
    return vec4(normalized(raw.x, gain.x, bias.x), normalized(raw.y, gain.y, bias.y), normalized(raw.z, gain.z, bias.z), normalized(raw.w, gain.w, bias.w));
}

vec4 inputValues(uint k)
{
    if (PARTS > 1u && gathered)
    {
        return SharedQuads(y).v[(inputRow * sourceColumns + k) >> 2];
    }

    if (SOURCE == SOURCE_GATE)
    {
        uint at = (inputRow * sourceColumns * 2u + k) >> 2;
        vec4 gate = InQuads(x).v[at], up = InQuads(x).v[at + (sourceColumns >> 2)];
        return vec4(gated(gate.x, up.x), gated(gate.y, up.y), gated(gate.z, up.z), gated(gate.w, up.w));
    }

    vec4 raw = rawValues(k);
    if (SOURCE == SOURCE_RMS_NORM || SOURCE == SOURCE_LAYER_NORM)
    {
        return normalizedValues(raw, InQuads(norm).v[k >> 2], k);
    }

    return SOURCE == SOURCE_ACTIVATION
        ? vec4(canonical(activated(ACTIVATION, raw.x)), canonical(activated(ACTIVATION, raw.y)), canonical(activated(ACTIVATION, raw.z)), canonical(activated(ACTIVATION, raw.w)))
        : raw;
}

#include "prepare.glsl"
#include "ordered_reduction.glsl"

// Mean and deviation of the row, then `held` as normalised values: x and gain are loaded once, together.
void normalizeRow()
{
    vec4 gain[HELD];
    bool allHeld = QUADS && quantizer.rowWords <= HELD * WORKGROUP && sourceColumns <= STAGE;
    if (allHeld)
    {
        [[unroll]] for (uint i = 0u; i < HELD; i++)
        {
            uint column = quadColumn(quantizer, gl_LocalInvocationIndex + i * WORKGROUP);
            held[i] = column != NO_COLUMN ? rawValues(column) : vec4(0.0);
            gain[i] = column != NO_COLUMN ? InQuads(norm).v[column >> 2] : vec4(0.0);
        }
    }

    if (SOURCE == SOURCE_LAYER_NORM)
    {
        precise float m = orderedReduction(false, allHeld) * inverseColumns;
        mean = m;
    }

    precise float meanSquare = orderedReduction(true, allHeld) * inverseColumns;
    precise float shifted = meanSquare + epsilon;
    inverseDeviation = reciprocalSquareRoot(shifted);
    if (!allHeld)
    {
        holdValues(quantizer);
        return;
    }

    [[unroll]] for (uint i = 0u; i < HELD; i++)
    {
        uint column = quadColumn(quantizer, gl_LocalInvocationIndex + i * WORKGROUP);
        held[i] = column != NO_COLUMN ? normalizedValues(held[i], gain[i], column) : vec4(0.0);
    }
}

// Computes this workgroup's part of the row's values; true: it is the last, and all are there.
bool gather(uint row)
{
    uint step = QUADS ? 4u : 1u, items = sourceColumns / step;
    uint part = (items + PARTS - 1u) / PARTS;
    uint end = min(items, (gl_WorkGroupID.y + 1u) * part);
    for (uint item = gl_WorkGroupID.y * part + gl_LocalInvocationIndex; item < end; item += WORKGROUP)
    {
        if (QUADS)
        {
            SharedQuads(y).v[row * items + item] = inputValues(item * 4u);
        }
        else
        {
            y.v[row * sourceColumns + item] = inputValue(item);
        }
    }

    gathered = true;
    return arrivesLast(ArrivalCounters(selection), row, PARTS);
}

// A value, or the residual stream's with it added.
float stored(float before, float v)
{
    precise float sum = before + v;
    return RESIDUAL ? canonical(sum) : v;
}

void storeFloats(uint row)
{
    if (QUADS)
    {
        [[unroll]] for (uint i = 0u; i < HELD; i++)
        {
            uint word = gl_LocalInvocationIndex + i * WORKGROUP;
            if (word < quantizer.rowWords)
            {
                uint at = row * quantizer.rowWords + word;
                vec4 before = RESIDUAL ? SharedQuads(y).v[at] : vec4(0.0);
                SharedQuads(y).v[at] = vec4(stored(before.x, held[i].x), stored(before.y, held[i].y), stored(before.z, held[i].z), stored(before.w, held[i].w));
            }
        }
    }

    uint first = QUADS ? HELD * WORKGROUP * 4u : 0u;
    for (uint k = first + gl_LocalInvocationIndex; k < quantizer.columns; k += WORKGROUP)
    {
        uint at = row * quantizer.columns + k;
        y.v[at] = stored(RESIDUAL ? y.v[at] : 0.0, inputValue(k));
    }
}

void main()
{
    uint row = gl_WorkGroupID.x;
    inputRow = SELECTED_ROWS ? selection.v[row] : row;
    if (SOURCE == SOURCE_RMS_NORM || SOURCE == SOURCE_LAYER_NORM)
    {
        normalizeRow();
    }
    else if (PARTS > 1u)
    {
        if (!gather(row))
        {
            return;
        }

        holdValues(quantizer);
    }
    else
    {
        holdValues(quantizer);
    }

    if (QUANTIZER_MODE == MODE_FLOAT)
    {
        storeFloats(row);
    }
    else
    {
        quantizeRow(row, quantizer);
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "contract.glsl"
#include "buffers.glsl"

// One row of activations through RMSNorm, LayerNorm, gate, ReLU or nothing, then quantized for a linear layer, or kept as
// f32. One workgroup per row; see include/prepare.glsl. With PARTS > 1 several workgroups compute the values of a row and the
// last of them to finish quantizes it: the gate's exp is too much for one when there are few rows.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint QUANTIZER_MODE = 0;
layout(constant_id = 2) const uint CODE_BITS = 8;
layout(constant_id = 3) const bool HAS_MAP = false;
layout(constant_id = 4) const uint GROUP_CAPACITY = 1;
layout(constant_id = 5) const uint SOURCE = 0;
layout(constant_id = 6) const bool SELECTED_ROWS = false;
layout(constant_id = 7) const uint STAGE = 4096;            // floats of a row held in shared memory
layout(constant_id = 8) const uint PARTS = 1;

const uint SOURCE_COPY = 0u;
const uint SOURCE_RMS_NORM = 1u;
const uint SOURCE_LAYER_NORM = 2u;
const uint SOURCE_GATE = 3u;
const uint SOURCE_RELU = 4u;

#include "prepare_push.glsl"

layout(push_constant) uniform Push
{
    InFloats x;
    InFloats norm;          // gain, then LayerNorm's bias
    InWords selection;      // rows to read, where selected; with PARTS > 1 the workgroups of each row that are done, 0 before and after
    SharedFloats y;         // f32 output of MODE_FLOAT; with PARTS > 1 the values of each row
    InMap map;
    Prepared prepared;
    Quantizer quantizer;
    uint sourceColumns;
    float inverseColumns;   // fl(1/K)
    float epsilon;
};

shared float stage[STAGE];
shared uint isLast;
shared float partials[32];

uint inputRow;
float mean = 0.0;
float inverseDeviation = 0.0;
bool gathered = false;      // values are read from y

// x[k] − mean: as the reduction left it where the whole row fits.
float centred(uint k)
{
    if (sourceColumns <= STAGE)
    {
        return stage[k];
    }

    precise float d = x.v[inputRow * sourceColumns + k] - mean;
    return d;
}

float inputValue(uint k)
{
    if (PARTS > 1u && gathered)
    {
        return y.v[inputRow * sourceColumns + k];
    }

    switch (SOURCE)
    {
        case SOURCE_RMS_NORM:
        {
            precise float scaled = centred(k) * inverseDeviation;
            precise float v = scaled * norm.v[k];
            return canonical(v);
        }

        case SOURCE_LAYER_NORM:
        {
            precise float scaled = centred(k) * inverseDeviation;
            precise float gained = scaled * norm.v[k];
            precise float v = gained + norm.v[sourceColumns + k];
            return canonical(v);
        }

        case SOURCE_GATE:
        {
            float gate = x.v[inputRow * sourceColumns * 2u + k];
            precise float e = 1.0 + contractExp(-gate);
            precise float activated = gate * reciprocal(e);
            precise float v = activated * x.v[inputRow * sourceColumns * 2u + sourceColumns + k];
            return canonical(v);
        }

        case SOURCE_RELU:
            return max(x.v[inputRow * sourceColumns + k], 0.0);
        default:
            return x.v[inputRow * sourceColumns + k];
    }
}

#include "prepare.glsl"

// Contract.OrderedDot of (x − mean) with itself, or the ordered sum: 32 partials in element order, then halving.
float orderedReduction(bool squares)
{
    uint lane = gl_LocalInvocationIndex;
    precise float partial = 0.0;
    for (uint first = 0u; first < sourceColumns; first += STAGE)
    {
        uint count = min(STAGE, sourceColumns - first);
        barrier();
        for (uint i = lane; i < count; i += WORKGROUP)
        {
            precise float d = x.v[inputRow * sourceColumns + first + i] - mean;
            stage[i] = d;
        }

        barrier();
        if (lane < 32u)
        {
            for (uint i = lane * 2u; i < count; i += 64u)
            {
                precise float a = stage[i];
                if (squares)
                {
                    a = a * a;
                }

                partial = partial + a;
                if (i + 1u < count)
                {
                    precise float b = stage[i + 1u];
                    if (squares)
                    {
                        b = b * b;
                    }

                    partial = partial + b;
                }
            }
        }
    }

    if (lane < 32u)
    {
        partials[lane] = partial;
    }

    for (uint half_ = 16u; half_ > 0u; half_ >>= 1)
    {
        barrier();
        if (lane < half_)
        {
            precise float sum = partials[lane] + partials[lane + half_];
            partials[lane] = sum;
        }
    }

    barrier();
    return partials[0];
}

// Computes this workgroup's part of the row's values; true: it is the last, and all are there.
bool gather(uint row)
{
    uint part = (sourceColumns + PARTS - 1u) / PARTS;
    uint end = min(sourceColumns, (gl_WorkGroupID.y + 1u) * part);
    for (uint k = gl_WorkGroupID.y * part + gl_LocalInvocationIndex; k < end; k += WORKGROUP)
    {
        y.v[row * sourceColumns + k] = inputValue(k);
    }

    gathered = true;
    SharedWords finished = SharedWords(selection);
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationIndex == 0u)
    {
        isLast = uint(atomicAdd(finished.v[row], 1u) == PARTS - 1u);
    }

    barrier();
    if (isLast == 0u)
    {
        return false;
    }

    memoryBarrierBuffer();
    if (gl_LocalInvocationIndex == 0u)
    {
        finished.v[row] = 0u;
    }

    return true;
}

void main()
{
    uint row = gl_WorkGroupID.x;
    inputRow = SELECTED_ROWS ? selection.v[row] : row;
    if (SOURCE == SOURCE_LAYER_NORM)
    {
        precise float m = orderedReduction(false) * inverseColumns;
        mean = m;
    }

    if (SOURCE == SOURCE_RMS_NORM || SOURCE == SOURCE_LAYER_NORM)
    {
        precise float meanSquare = orderedReduction(true) * inverseColumns;
        precise float shifted = meanSquare + epsilon;
        inverseDeviation = reciprocalSquareRoot(shifted);
    }

    if (QUANTIZER_MODE == MODE_FLOAT)
    {
        for (uint k = gl_LocalInvocationIndex; k < quantizer.columns; k += WORKGROUP)
        {
            y.v[row * quantizer.columns + k] = inputValue(k);
        }
    }
    else
    {
        if (PARTS > 1u && !gather(row))
        {
            return;
        }

        quantizeRow(row, quantizer);
    }
}

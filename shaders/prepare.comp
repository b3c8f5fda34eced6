#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "contract.glsl"
#include "buffers.glsl"

// One row of activations through RMSNorm, LayerNorm, gate, ReLU or nothing, then quantized for a linear layer, or kept as
// f32. One workgroup per row; see include/prepare.glsl.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint QUANTIZER_MODE = 0;
layout(constant_id = 2) const uint CODE_BITS = 8;
layout(constant_id = 3) const bool HAS_MAP = false;
layout(constant_id = 4) const uint GROUP_CAPACITY = 1;
layout(constant_id = 5) const uint SOURCE = 0;
layout(constant_id = 6) const bool SELECTED_ROWS = false;

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
    InWords selection;      // rows to read, where selected
    Floats y;               // f32 output of MODE_FLOAT
    InMap map;
    Prepared prepared;
    Quantizer quantizer;
    uint sourceColumns;
    float inverseColumns;   // fl(1/K)
    float epsilon;
};

const uint STAGE = 4096u;
shared float stage[STAGE];
shared float partials[32];

uint inputRow;
float mean = 0.0;
float inverseDeviation = 0.0;

float inputValue(uint k)
{
    switch (SOURCE)
    {
        case SOURCE_RMS_NORM:
        {
            precise float scaled = x.v[inputRow * sourceColumns + k] * inverseDeviation;
            precise float v = scaled * norm.v[k];
            return canonical(v);
        }

        case SOURCE_LAYER_NORM:
        {
            precise float d = x.v[inputRow * sourceColumns + k] - mean;
            precise float scaled = d * inverseDeviation;
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
        quantizeRow(row, quantizer);
    }
}

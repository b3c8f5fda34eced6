#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// RMSNorm, or LayerNorm where there is a bias, of a row: what is kept for the gradient (x̂ and 1/√(mean x² + ε)) and y = x̂·gain + bias. x may be y.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const bool BIAS = false;
#include "training.glsl"

layout(push_constant) uniform Push
{
    InFloats x;
    InFloats gain;
    InFloats bias;
    Floats normalized;
    Floats reciprocals;
    Floats y;
    uint columns;
    float inverseColumns;
    float epsilon;
};

void main()
{
    uint row = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x, first = row * columns;
    float mean = 0.0;
    if (BIAS)
    {
        beginSums();
        for (uint base = 0u; base < columns; base += STAGE)
        {
            uint count = min(STAGE, columns - base);
            for (uint j = gl_LocalInvocationIndex; j < count; j += WORKGROUP)
            {
                stage[j] = x.v[first + base + j];
            }

            addStage(count);
        }

        endSums();
        precise float m = rowSum(0u) * inverseColumns;
        mean = m;
    }

    beginSums();
    for (uint base = 0u; base < columns; base += STAGE)
    {
        uint count = min(STAGE, columns - base);
        for (uint j = gl_LocalInvocationIndex; j < count; j += WORKGROUP)
        {
            precise float d = x.v[first + base + j] - mean;
            precise float square = d * d;
            stage[j] = square;
        }

        addStage(count);
    }

    endSums();
    precise float square = rowSum(0u) * inverseColumns;
    precise float sum = square + epsilon;
    float r = reciprocalSquareRoot(sum);
    if (gl_LocalInvocationIndex == 0u)
    {
        reciprocals.v[row] = r;
    }

    for (uint k = gl_LocalInvocationIndex; k < columns; k += WORKGROUP)
    {
        precise float d = x.v[first + k] - mean;
        precise float hat = d * r;
        precise float result = hat * gain.v[k];
        if (BIAS)
        {
            precise float biased = result + bias.v[k];
            result = biased;
        }

        normalized.v[first + k] = hat;
        y.v[first + k] = result;
    }
}

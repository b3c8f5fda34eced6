#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 2
#include "contract.glsl"
#include "buffers.glsl"

// Of every row of ∂loss/∂W': row·Σ G·W·column, the gradient of the logarithm of the row's factor, and Σ G·b of the rank-one compensation.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
layout(constant_id = 2) const bool RANK_ONE = false;
#include "training.glsl"
#include "training_table.glsl"

layout(push_constant) uniform Push
{
    InFloats gradient;
    InWords weights;
    InFloats rowFactors;
    InFloats columnFactors;
    InFloats rankColumn;
    Floats rowLogs;
    Floats rankRows;
    uint columns;
};

void main()
{
    uint n = gl_WorkGroupID.x, first = n * columns;
    beginSums();
    for (uint base = 0u; base < columns; base += STAGE)
    {
        uint count = min(STAGE, columns - base);
        for (uint j = gl_LocalInvocationIndex; j < count; j += WORKGROUP)
        {
            uint k = base + j;
            precise float term = gradient.v[first + k] * tableValue(weights, TABLE_TYPE, first + k);
            term = term * columnFactors.v[k];
            stage[j] = term;
            precise float rank = RANK_ONE ? gradient.v[first + k] * rankColumn.v[k] : 0.0;
            stage[STAGE + j] = rank;
        }

        addStage(count);
    }

    endSums();
    if (gl_LocalInvocationIndex == 0u)
    {
        precise float log = rowFactors.v[n] * rowSum(0u);
        rowLogs.v[n] = log;
        if (RANK_ONE)
        {
            rankRows.v[n] = rowSum(1u);
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"

// Sums of columns in the order of the rows: Σ a, Σ a·b, Σ a·b·weight or Σ a·weight, products rounded from the left.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const bool PRODUCT = false;
layout(constant_id = 2) const bool WEIGHTED = false;
layout(constant_id = 3) const uint TABLE_TYPE = 0;          // of b
#include "training_table.glsl"

layout(push_constant) uniform Push
{
    InFloats a;
    InWords b;
    InFloats weight;
    Floats sums;
    uint rows;
    uint columns;
};

void main()
{
    const uint AHEAD = 16u;
    uint k = gl_GlobalInvocationID.x;
    if (k >= columns)
    {
        return;
    }

    precise float total = 0.0;
    for (uint row = 0u; row < rows; row += AHEAD)
    {
        float terms[AHEAD];
        [[unroll]] for (uint i = 0u; i < AHEAD; i++)
        {
            float term = 0.0;
            if (row + i < rows)
            {
                uint at = (row + i) * columns + k;
                precise float v = a.v[at];
                if (PRODUCT)
                {
                    v = v * tableValue(b, TABLE_TYPE, at);
                }

                if (WEIGHTED)
                {
                    v = v * weight.v[row + i];
                }

                term = v;
            }

            terms[i] = term;
        }

        [[unroll]] for (uint i = 0u; i < AHEAD; i++)
        {
            total = total + terms[i];
        }
    }

    sums.v[k] = total;
}

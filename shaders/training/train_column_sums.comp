#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"

// Sums of columns in the order of the rows: Σ a, Σ a·b, Σ a·b·weight or Σ a·weight, products rounded from the left.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;       // a multiple of 32
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

// The terms of 128 rows of 32 columns lie in shared memory while those of the next are on their way; 32 invocations add them in order.
const uint COLUMNS = 32u;
const uint ROWS = 128u;
const uint LOADS = ROWS * COLUMNS / WORKGROUP;
shared float terms[ROWS * COLUMNS];
float held[LOADS];

void load(uint row0, uint column)
{
    [[unroll]] for (uint i = 0u; i < LOADS; i++)
    {
        uint row = row0 + gl_LocalInvocationIndex / COLUMNS + i * (WORKGROUP / COLUMNS), inside = min(row, rows - 1u), at = inside * columns + min(column, columns - 1u);
        precise float v = a.v[at];
        if (PRODUCT)
        {
            v = v * tableValue(b, TABLE_TYPE, at);
        }

        if (WEIGHTED)
        {
            v = v * weight.v[inside];
        }

        held[i] = row < rows ? v : 0.0;
    }
}

void main()
{
    uint column = gl_WorkGroupID.x * COLUMNS + gl_LocalInvocationIndex % COLUMNS;
    precise float total = 0.0;
    load(0u, column);
    for (uint row0 = 0u; row0 < rows; row0 += ROWS)
    {
        barrier();
        [[unroll]] for (uint i = 0u; i < LOADS; i++)
        {
            terms[gl_LocalInvocationIndex + i * WORKGROUP] = held[i];
        }

        barrier();
        if (row0 + ROWS < rows)
        {
            load(row0 + ROWS, column);
        }

        if (gl_LocalInvocationIndex < COLUMNS)
        {
            for (uint r = 0u; r < ROWS; r += 16u)
            {
                float v[16];
                [[unroll]] for (uint i = 0u; i < 16u; i++)
                {
                    v[i] = terms[(r + i) * COLUMNS + gl_LocalInvocationIndex];
                }

                [[unroll]] for (uint i = 0u; i < 16u; i++)
                {
                    total = total + v[i];
                }
            }
        }
    }

    if (gl_LocalInvocationIndex < COLUMNS && column < columns)
    {
        sums.v[column] = total;
    }
}

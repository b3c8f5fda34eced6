#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// c[M×N] −= a[M×K]·b[K×N] in f64, one product after the other, unfused: the order in which GPTQ compensates columns and in which forward
// substitution goes (Portable.Reference's Gptq, InverseFactor). A workgroup has TILE × TILE outputs, an invocation 4 × 4 that lie TILE/4 apart.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;         // TILE²/16
layout(constant_id = 1) const uint TILE = 64;
layout(constant_id = 2) const bool REVERSED = false;        // the last column of a and the last row of b first
layout(constant_id = 3) const bool LOWER = false;           // b is zero above its diagonal: what meets those zeros is left out

const uint STEPS = 8u;
const uint LANES = TILE / 4u;

layout(push_constant) uniform Push
{
    InDoubles a;
    InDoubles b;
    Doubles c;
    uint m;
    uint n;
    uint k;
    uint aStride;
    uint bStride;
    uint cStride;
};

shared double tileA[STEPS * (TILE + 1u)];
shared double tileB[STEPS * TILE];

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
    uint lane = gl_LocalInvocationIndex % LANES, band = gl_LocalInvocationIndex / LANES;
    double sums[4][4];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint row = m0 + band + i * LANES, column = n0 + lane + j * LANES;
            sums[i][j] = row < m && column < n ? c.v[row * cStride + column] : 0.0LF;
        }
    }

    for (uint first = LOWER ? n0 : 0u; first < k; first += STEPS)
    {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < STEPS * TILE; i += WORKGROUP)
        {
            uint step = first + i % STEPS, row = m0 + i / STEPS, place = REVERSED ? k - 1u - step : step;
            tileA[i % STEPS * (TILE + 1u) + i / STEPS] = step < k && row < m ? a.v[row * aStride + place] : 0.0LF;
        }

        for (uint i = gl_LocalInvocationIndex; i < STEPS * TILE; i += WORKGROUP)
        {
            uint step = first + i / TILE, column = n0 + i % TILE, place = REVERSED ? k - 1u - step : step;
            tileB[i] = step < k && column < n ? b.v[place * bStride + column] : 0.0LF;
        }

        barrier();
        [[unroll]] for (uint s = 0u; s < STEPS; s++)
        {
            double y[4];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                y[j] = tileB[s * TILE + lane + j * LANES];
            }

            [[unroll]] for (uint i = 0u; i < 4u; i++)
            {
                double x = tileA[s * (TILE + 1u) + band + i * LANES];
                [[unroll]] for (uint j = 0u; j < 4u; j++)
                {
                    precise double product = x * y[j];
                    precise double sum = sums[i][j] - product;
                    sums[i][j] = sum;
                }
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint row = m0 + band + i * LANES, column = n0 + lane + j * LANES;
            if (row < m && column < n)
            {
                c.v[row * cStride + column] = sums[i][j];
            }
        }
    }
}

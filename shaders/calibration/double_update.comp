#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// c[M×N] ∓= a[M×K]·b[K×N] in f64, one product after the other, unfused: the order in which GPTQ compensates columns, in which forward substitution
// goes, targets are made and gradients are kept (Portable.Reference's Gptq, InverseFactor, TargetCorrection, CodeDescent). A workgroup has TILE × TILE
// outputs, an invocation 4 × 4 that lie TILE/4 apart.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;         // TILE²/16
layout(constant_id = 1) const uint TILE = 64;
layout(constant_id = 2) const bool REVERSED = false;        // the last column of a and the last row of b first
layout(constant_id = 3) const bool LOWER = false;           // b is zero above its diagonal: what meets those zeros is left out
layout(constant_id = 4) const bool ADDED = false;           // c += a·b
layout(constant_id = 5) const bool DAMPED = false;          // b's diagonal is followed by `damping` on its own: c += a·b, then c += a·damping
layout(constant_id = 6) const uint GROUP = 0;               // so many columns of a, those of group z, go to a matrix of their own: c[M × groups × N] = their product

const uint STEPS = 16u;
const uint LANES = TILE / 4u;
const uint LOADS = STEPS * TILE / WORKGROUP;

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
    InDoubles damping;
};

shared double tileA[STEPS * (TILE + 1u)];
shared double tileB[STEPS * TILE];

double nextA[LOADS];
double nextB[LOADS];

// What this invocation brings of the steps from `first` on.
void load(uint m0, uint n0, uint first, uint end)
{
    [[unroll]] for (uint l = 0u; l < LOADS; l++)
    {
        uint i = gl_LocalInvocationIndex + l * WORKGROUP, stepA = first + i % STEPS, row = m0 + i / STEPS, stepB = first + i / TILE, column = n0 + i % TILE;
        nextA[l] = stepA < end && row < m ? a.v[row * aStride + (REVERSED ? k - 1u - stepA : stepA)] : 0.0LF;
        nextB[l] = stepB < end && column < n ? b.v[(REVERSED ? k - 1u - stepB : stepB) * bStride + column] : 0.0LF;
    }
}

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
    uint lane = gl_LocalInvocationIndex % LANES, band = gl_LocalInvocationIndex / LANES;
    uint begin = GROUP > 0u ? gl_WorkGroupID.z * GROUP : LOWER ? n0 : 0u, end = GROUP > 0u ? min(begin + GROUP, k) : k, target = gl_WorkGroupID.z * n;
    double lambda = DAMPED ? damping.v[0] : 0.0LF;
    double sums[4][4];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint row = m0 + band + i * LANES, column = n0 + lane + j * LANES;
            sums[i][j] = GROUP == 0u && row < m && column < n ? c.v[row * cStride + column] : 0.0LF;
        }
    }

    load(m0, n0, begin, end);
    for (uint first = begin; first < end; first += STEPS)
    {
        barrier();
        [[unroll]] for (uint l = 0u; l < LOADS; l++)
        {
            uint i = gl_LocalInvocationIndex + l * WORKGROUP;
            tileA[i % STEPS * (TILE + 1u) + i / STEPS] = nextA[l];
            tileB[i] = nextB[l];
        }

        barrier();
        if (first + STEPS < end)
        {
            load(m0, n0, first + STEPS, end);
        }

        bool diagonal = DAMPED && first < n0 + TILE && n0 < first + STEPS;
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
                    precise double sum = ADDED ? sums[i][j] + product : sums[i][j] - product;
                    sums[i][j] = sum;
                }
            }

            if (diagonal)
            {
                [[unroll]] for (uint i = 0u; i < 4u; i++)
                {
                    [[unroll]] for (uint j = 0u; j < 4u; j++)
                    {
                        if (first + s == n0 + lane + j * LANES)
                        {
                            precise double damped = tileA[s * (TILE + 1u) + band + i * LANES] * lambda;
                            precise double sum = sums[i][j] + damped;
                            sums[i][j] = sum;
                        }
                    }
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
                c.v[row * cStride + target + column] = sums[i][j];
            }
        }
    }
}

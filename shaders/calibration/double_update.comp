#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// c[M×N] ∓= a[M×K]·b[K×N] in f64, one product after the other, unfused: the order in which GPTQ compensates columns, in which forward substitution
// goes, targets are made and gradients are kept (Portable.Reference's Gptq, InverseFactor, TargetCorrection, CodeDescent). A workgroup has TILE × TILE
// outputs, an invocation 4 × 4 in pairs that lie TILE/2 apart.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;         // TILE²/16
layout(constant_id = 1) const uint TILE = 64;
layout(constant_id = 2) const bool REVERSED = false;        // the last column of a and the last row of b first
layout(constant_id = 3) const bool LOWER = false;           // b is zero above its diagonal: what meets those zeros is left out
layout(constant_id = 4) const bool ADDED = false;           // c += a·b
layout(constant_id = 5) const bool DAMPED = false;          // b's diagonal is followed by `damping` on its own: c += a·b, then c += a·damping
layout(constant_id = 6) const uint GROUP = 0;               // so many columns of a, those of group z, go to a matrix of their own: c[M × groups × N] = their product

const uint MICRO = 4u;
const uint STEPS = 16u;
const uint LANES = TILE / MICRO;
const uint LOADS = STEPS * TILE / WORKGROUP;
const uint ROW = TILE / 2u + 1u;

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

shared dvec2 tileA[STEPS * ROW];
shared dvec2 tileB[STEPS * ROW];

double nextA[LOADS];
double nextB[LOADS];

// What this invocation brings of the steps from `first` on.
void fetch(uint m0, uint n0, uint first, uint end)
{
    [[unroll]] for (uint l = 0u; l < LOADS; l++)
    {
        uint i = gl_LocalInvocationIndex + l * WORKGROUP, stepA = first + i % STEPS, row = m0 + i / STEPS, stepB = first + i / TILE, column = n0 + i % TILE;
        nextA[l] = stepA < end && row < m ? a.v[row * aStride + (REVERSED ? k - 1u - stepA : stepA)] : 0.0LF;
        nextB[l] = stepB < end && column < n ? elementsFrom(b, (REVERSED ? k - 1u - stepB : stepB) * bStride).v[column] : 0.0LF;
    }
}

void store()
{
    [[unroll]] for (uint l = 0u; l < LOADS; l++)
    {
        uint i = gl_LocalInvocationIndex + l * WORKGROUP, row = i / STEPS, column = i % TILE;
        tileA[i % STEPS * ROW + row / 2u][row % 2u] = nextA[l];
        tileB[i / TILE * ROW + column / 2u][column % 2u] = nextB[l];
    }
}

// Thirty-two neighbours form a rectangle of 8 × 4 where they can, as in float_gemm.glsl.
const bool RECTANGLE = LANES % 8u == 0u;

uint laneM()
{
    uint i = gl_LocalInvocationIndex;
    return RECTANGLE ? i / 32u / (LANES / 4u) * 8u + i / 2u % 8u : i / LANES;
}

uint laneN()
{
    uint i = gl_LocalInvocationIndex;
    return RECTANGLE ? i / 32u % (LANES / 4u) * 4u + i / 16u % 2u * 2u + i % 2u : i % LANES;
}

uint rowOf(uint i)
{
    return (i / 2u * LANES + laneM()) * 2u + i % 2u;
}

uint columnOf(uint j)
{
    return (j / 2u * LANES + laneN()) * 2u + j % 2u;
}

double sums[MICRO][MICRO];

dvec2 x[MICRO / 2u];

void multiplyStep(uint atA, uint atB)
{
    dvec2 y[MICRO / 2u];
    [[unroll]] for (uint i = 0u; i < MICRO / 2u; i++)
    {
        x[i] = tileA[atA + i * LANES];
        y[i] = tileB[atB + i * LANES];
    }

    [[unroll]] for (uint i = 0u; i < MICRO; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO; j++)
        {
            precise double product = x[i / 2u][i % 2u] * y[j / 2u][j % 2u];
            precise double sum = ADDED ? sums[i][j] + product : sums[i][j] - product;
            sums[i][j] = sum;
        }
    }
}

// Steps first … first + STEPS − 1, which shared memory holds.
void multiplyStage(uint first, uint n0, double lambda)
{
    uint atA = laneM(), atB = laneN();
    if (DAMPED && first < n0 + TILE && n0 < first + STEPS)
    {
        [[dont_unroll]] for (uint s = 0u; s < STEPS; s++)
        {
            multiplyStep(atA + s * ROW, atB + s * ROW);
            [[unroll]] for (uint j = 0u; j < MICRO; j++)
            {
                if (first + s == n0 + columnOf(j))
                {
                    [[unroll]] for (uint i = 0u; i < MICRO; i++)
                    {
                        precise double damped = x[i / 2u][i % 2u] * lambda;
                        precise double sum = sums[i][j] + damped;
                        sums[i][j] = sum;
                    }
                }
            }
        }
    }
    else
    {
        [[unroll]] for (uint s = 0u; s < STEPS; s++)
        {
            multiplyStep(atA + s * ROW, atB + s * ROW);
        }
    }
}

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
    uint begin = GROUP > 0u ? gl_WorkGroupID.z * GROUP : LOWER ? n0 : 0u, end = GROUP > 0u ? min(begin + GROUP, k) : k, target = gl_WorkGroupID.z * n;
    double lambda = DAMPED ? damping.v[0] : 0.0LF;
    fetch(m0, n0, begin, end);
    [[unroll]] for (uint i = 0u; i < MICRO; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO; j++)
        {
            uint row = m0 + rowOf(i), column = n0 + columnOf(j);
            sums[i][j] = GROUP == 0u && row < m && column < n ? c.v[row * cStride + column] : 0.0LF;
        }
    }

    for (uint first = begin; first < end; first += STEPS)
    {
        barrier();
        store();
        barrier();
        if (first + STEPS < end)
        {
            fetch(m0, n0, first + STEPS, end);
        }

        multiplyStage(first, n0, lambda);
    }

    [[unroll]] for (uint i = 0u; i < MICRO; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO; j++)
        {
            uint row = m0 + rowOf(i), column = n0 + columnOf(j);
            if (row < m && column < n)
            {
                c.v[row * cStride + target + column] = sums[i][j];
            }
        }
    }
}

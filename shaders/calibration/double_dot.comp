#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// y[row][p] = Σ_{k ≤ p} x[row][k]·lower[p][k] in f64, unfused: L⁻¹ times what is solved for. As Portable.Reference's TargetCorrection has it, four
// partial sums take every fourth product, are added pairwise, and what is behind the last whole four follows one by one. A workgroup has 32 × 32
// outputs, four invocations a quad of 4 × 4 of them.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;

const uint TILE = 32u;
const uint STEPS = 16u;

layout(push_constant) uniform Push
{
    InDoubles x;
    InDoubles lower;
    Doubles y;
    uint rows;
    uint size;
};

shared double tileX[TILE * (STEPS + 1u)];
shared double tileL[TILE * (STEPS + 1u)];
shared double partials[WORKGROUP * 4u];

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE, n0 = gl_WorkGroupID.x * TILE;
    uint part = gl_LocalInvocationIndex % 4u, quad = gl_LocalInvocationIndex / 4u, band = quad / 8u * 4u, lane = quad % 8u * 4u;
    double sums[4][4];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            sums[i][j] = 0.0LF;
        }
    }

    uint end = min(n0 + TILE, size);
    for (uint first = 0u; first < end; first += STEPS)
    {
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < TILE * STEPS; i += WORKGROUP)
        {
            uint k = first + i % STEPS, row = m0 + i / STEPS, p = n0 + i / STEPS, at = i / STEPS * (STEPS + 1u) + i % STEPS;
            tileX[at] = row < rows && k < size ? x.v[row * size + k] : 0.0LF;
            tileL[at] = p < size && k < (p + 1u) / 4u * 4u ? elementsFrom(lower, p * size).v[k] : 0.0LF;
        }

        barrier();
        [[unroll]] for (uint s = 0u; s < STEPS; s += 4u)
        {
            double w[4];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                w[j] = tileL[(lane + j) * (STEPS + 1u) + s + part];
            }

            [[unroll]] for (uint i = 0u; i < 4u; i++)
            {
                double v = tileX[(band + i) * (STEPS + 1u) + s + part];
                [[unroll]] for (uint j = 0u; j < 4u; j++)
                {
                    precise double product = v * w[j];
                    precise double sum = sums[i][j] + product;
                    sums[i][j] = sum;
                }
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        barrier();
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            partials[gl_LocalInvocationIndex * 4u + j] = sums[i][j];
        }

        barrier();

        // Each of a quad's four invocations finishes one of its columns.
        uint row = m0 + band + i, p = n0 + lane + part, at = quad * 16u + part;
        if (row < rows && p < size)
        {
            precise double left = partials[at] + partials[at + 4u];
            precise double right = partials[at + 8u] + partials[at + 12u];
            precise double dot = left + right;
            for (uint k = (p + 1u) / 4u * 4u; k <= p; k++)
            {
                precise double product = elementsFrom(lower, p * size).v[k] * x.v[row * size + k];
                precise double sum = dot + product;
                dot = sum;
            }

            y.v[row * size + p] = dot;
        }
    }
}

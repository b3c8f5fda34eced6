#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"

// A panel of Cholesky's factorisation before its own columns have met: panel[i][j] = matrix[first + i][first + j] − Σ_{k < first}
// matrix[first + i][k]·matrix[first + j][k], in f64. As Portable.Reference's InverseFactor has it, 16 partial sums take every 16th product, and are
// added pairwise; `first` is a multiple of 16. A workgroup has 16 × 16 outputs, an invocation one partial sum of 4 × 4.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint WIDTH = 64;              // columns of a panel

layout(push_constant) uniform Push
{
    InDoubles matrix;
    Doubles panel;
    uint size;
    uint first;
    uint columns;       // of this panel
};

shared double tileA[16 * 17];
shared double tileB[16 * 17];
shared double partials[64 * 16];

void main()
{
    uint m0 = gl_WorkGroupID.y * 16u, n0 = gl_WorkGroupID.x * 16u, rows = size - first;
    uint part = gl_LocalInvocationIndex % 16u, group = gl_LocalInvocationIndex / 16u, band = group / 4u * 4u, lane = group % 4u * 4u;
    double sums[4][4];
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            sums[i][j] = 0.0LF;
        }
    }

    uint row = m0 + group, column = n0 + group;
    InDoubles rowA = elementsFrom(matrix, (first + row) * size), rowB = elementsFrom(matrix, (first + column) * size);
    for (uint k = 0u; k < first; k += 16u)
    {
        double a = row < rows ? rowA.v[k + part] : 0.0LF;
        double b = column < columns ? rowB.v[k + part] : 0.0LF;
        barrier();
        tileA[group * 17u + part] = a;
        tileB[group * 17u + part] = b;
        barrier();
        [[unroll]] for (uint i = 0u; i < 4u; i++)
        {
            double x = tileA[(band + i) * 17u + part];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                precise double product = x * tileB[(lane + j) * 17u + part];
                precise double sum = sums[i][j] + product;
                sums[i][j] = sum;
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        barrier();
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            partials[(group * 4u + j) * 16u + part] = sums[i][j];
        }

        barrier();
        for (uint o = gl_LocalInvocationIndex; o < 64u; o += WORKGROUP)
        {
            double all[4];
            [[unroll]] for (uint l = 0u; l < 4u; l++)
            {
                precise double low = partials[o * 16u + l] + partials[o * 16u + 4u + l];
                precise double high = partials[o * 16u + 8u + l] + partials[o * 16u + 12u + l];
                precise double both = low + high;
                all[l] = both;
            }

            precise double left = all[0] + all[1];
            precise double right = all[2] + all[3];
            precise double dot = left + right;
            uint r = m0 + o / 4u / 4u * 4u + i, c = n0 + o / 4u % 4u * 4u + o % 4u;
            if (r < rows && c < columns)
            {
                precise double rest = elementsFrom(matrix, (first + r) * size).v[first + c] - dot;
                panel.v[r * WIDTH + c] = rest;
            }
        }
    }
}

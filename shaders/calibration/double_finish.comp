#version 460
#extension GL_GOOGLE_include_directive : require
#define WORKGROUP_DOUBLES
#include "buffers.glsl"
#include "doubles.glsl"
#include "buffer_barrier.glsl"
#include "exact_doubles.glsl"

// What panels of a Cholesky factor need of roots and quotients, as Portable.Reference's InverseFactor has it.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint STEP = 0;

const uint STEP_DIAGONAL = 0u;      // L of the block on the diagonal; one workgroup, an invocation a row
const uint STEP_ROWS = 1u;          // the rows below it; an invocation a row
const uint STEP_INVERSE = 2u;       // rows of L⁻¹ by forward substitution; an invocation a column

const uint WIDTH = 64u;             // columns of a panel, elements of its rows

layout(push_constant) uniform Push
{
    WorkgroupDoubles panel; // rows × WIDTH; the diagonal block first
    Doubles rows;       // STEP_INVERSE: the rows, `size` elements each
    Doubles failure;    // column + 1 and pivot of the first that is not positive
    uint first;         // first column of the panel
    uint width;         // columns of the panel, at most WIDTH
    uint count;         // rows of the panel
    uint size;          // of the matrix
};

// Σ_{k < count} panel[a + k]·panel[b + k]: 16 partial sums.
double dotOf(uint a, uint b, uint count)
{
    double s[4][4];
    for (uint i = 0u; i < 4u; i++)
    {
        for (uint l = 0u; l < 4u; l++)
        {
            s[i][l] = 0.0LF;
        }
    }

    uint vectors = count / 4u, whole = vectors / 4u * 4u;
    for (uint v = 0u; v < vectors; v++)
    {
        uint i = v < whole ? v % 4u : 0u;
        for (uint l = 0u; l < 4u; l++)
        {
            precise double product = panel.v[a + v * 4u + l] * panel.v[b + v * 4u + l];
            precise double sum = s[i][l] + product;
            s[i][l] = sum;
        }
    }

    double all[4];
    for (uint l = 0u; l < 4u; l++)
    {
        precise double low = s[0][l] + s[1][l];
        precise double high = s[2][l] + s[3][l];
        precise double both = low + high;
        all[l] = both;
    }

    precise double left = all[0] + all[1];
    precise double right = all[2] + all[3];
    precise double total = left + right;
    for (uint k = vectors * 4u; k < count; k++)
    {
        precise double product = panel.v[a + k] * panel.v[b + k];
        precise double sum = total + product;
        total = sum;
    }

    return total;
}

void finish(uint row, uint j)
{
    precise double rest = panel.v[row * WIDTH + j] - dotOf(row * WIDTH, j * WIDTH, j);
    panel.v[row * WIDTH + j] = exactQuotient(rest, panel.v[j * WIDTH + j]);
}

void main()
{
    if (STEP == STEP_DIAGONAL)
    {
        uint row = gl_LocalInvocationIndex;
        for (uint j = 0u; j < width; j++)
        {
            if (row == j)
            {
                precise double pivot = panel.v[j * WIDTH + j] - dotOf(j * WIDTH, j * WIDTH, j);
                if (!(pivot > 0.0LF))
                {
                    if (failure.v[0] == 0.0LF)
                    {
                        failure.v[0] = double(first + j + 1u);
                        failure.v[1] = pivot;
                    }

                    pivot = 1.0LF;
                }

                panel.v[j * WIDTH + j] = exactRoot(pivot);
            }

            bufferBarrier();
            if (row > j && row < width)
            {
                finish(row, j);
            }

            bufferBarrier();
        }
    }
    else if (STEP == STEP_ROWS)
    {
        uint row = width + gl_GlobalInvocationID.x;
        for (uint j = 0u; j < width && row < count; j++)
        {
            finish(row, j);
        }
    }
    else
    {
        uint column = gl_GlobalInvocationID.x;
        for (uint i = 0u; i < width && column < first + width; i++)
        {
            double v = rows.v[i * size + column];
            for (uint k = 0u; k < i; k++)
            {
                precise double product = panel.v[i * WIDTH + k] * rows.v[k * size + column];
                precise double rest = v - product;
                v = rest;
            }

            if (first + i == column)
            {
                precise double one = v + 1.0LF;
                v = one;
            }

            rows.v[i * size + column] = exactQuotient(v, panel.v[i * WIDTH + i]);
        }
    }
}

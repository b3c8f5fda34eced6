// Σ x·yᵀ of rows of x and of y on top of what is there: rows in runs of RUN are summed in f32 and the runs in f64, as Portable.Calibration's GramMatrix
// and CrossMatrix have it. Where y is x, tiles that touch the upper triangle are summed, whole.
#include "doubles.glsl"

layout(constant_id = 10) const uint RUN = 512;
layout(constant_id = 11) const bool UPPER = true;

layout(buffer_reference, std430, buffer_reference_align = 16) restrict buffer DoublePairs { dvec2 v[]; };

layout(push_constant) uniform Push
{
    InWords x;
    InWords y;
    Doubles gram;
    uint size;          // columns of x
    uint columns;       // of y
    uint rows;
};

// Adds this invocation's sums of a run to what is there.
void addRun(uint m0, uint n0)
{
    [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
    {
        uint row = m0 + rowOf(i);
        [[unroll]] for (uint j = 0u; j < MICRO_N; j += QUADS ? 2u : 1u)
        {
            uint column = n0 + columnOf(j), at = row * columns + column;
            if (row < size && column < columns)
            {
                if (QUADS)
                {
                    precise dvec2 sum = DoublePairs(gram).v[at / 2u] + dvec2(double(sums[i][j]), double(sums[i][j + 1u]));
                    DoublePairs(gram).v[at / 2u] = sum;
                }
                else
                {
                    precise double sum = gram.v[at] + double(sums[i][j]);
                    gram.v[at] = sum;
                }
            }
        }
    }
}

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE_M, n0 = gl_WorkGroupID.x * TILE_N;
    if (UPPER && n0 + TILE_N <= m0)
    {
        return;
    }

    for (uint first = 0u; first < rows; first += RUN)
    {
        multiplyTile(x, y, m0, n0, size, columns, rows, first, min(first + RUN, rows));
        addRun(m0, n0);
    }
}

// Σ x·yᵀ of rows of x and of y on top of what is there: rows in runs of RUN are summed in f32 and the runs in f64, as Portable.Calibration's GramMatrix
// and CrossMatrix have it. Where y is x, tiles that touch the upper triangle are summed, whole.
#include "doubles.glsl"

layout(constant_id = 10) const uint RUN = 512;
layout(constant_id = 11) const bool UPPER = true;

layout(push_constant) uniform Push
{
    InWords x;
    InWords y;
    Doubles gram;
    uint size;          // columns of x
    uint columns;       // of y
    uint rows;
};

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
        [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
        {
            [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
            {
                uint row = m0 + rowOf(i), column = n0 + columnOf(j);
                if (row < size && column < columns)
                {
                    precise double sum = gram.v[row * columns + column] + double(sums[i][j]);
                    gram.v[row * columns + column] = sum;
                }
            }
        }
    }
}

// Σ x·xᵀ of rows of x on top of what is there: rows in runs of RUN are summed in f32 and the runs in f64, as Portable.Calibration's GramMatrix
// has it. Tiles that touch the upper triangle are summed, whole.
#include "doubles.glsl"

layout(constant_id = 10) const uint RUN = 512;

layout(push_constant) uniform Push
{
    InWords x;
    Doubles gram;
    uint size;
    uint rows;
};

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE_M, n0 = gl_WorkGroupID.x * TILE_N;
    if (n0 + TILE_N <= m0)
    {
        return;
    }

    for (uint first = 0u; first < rows; first += RUN)
    {
        multiplyTile(x, x, m0, n0, size, size, rows, first, min(first + RUN, rows));
        [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
        {
            [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
            {
                uint row = m0 + rowOf(i), column = n0 + columnOf(j);
                if (row < size && column < size)
                {
                    precise double sum = gram.v[row * size + column] + double(sums[i][j]);
                    gram.v[row * size + column] = sum;
                }
            }
        }
    }
}

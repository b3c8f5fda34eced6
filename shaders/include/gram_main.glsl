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

// Adds this invocation's sums of a run to what is there, two rows at a time: their loads are on their way together, where one behind the
// store before it would cost a trip to memory each.
void addRun(uint m0, uint n0)
{
    const uint PAIRS = MICRO_N / 2u;
    [[unroll]] for (uint i = 0u; i < MICRO_M; i += 2u)
    {
        dvec2 held[2u * PAIRS];
        [[unroll]] for (uint e = 0u; e < 2u * PAIRS; e++)
        {
            uint row = m0 + rowOf(i + e / PAIRS), column = n0 + columnOf(e % PAIRS * 2u), at = row * columns + column;
            if (row < size && column < columns)
            {
                if (QUADS)
                {
                    held[e] = DoublePairs(elementAddress(uvec2(gram), at)).v[0];
                }
                else
                {
                    Doubles element = targetsFrom(gram, at);
                    held[e] = dvec2(element.v[0], column + 1u < columns ? element.v[1] : 0.0LF);
                }
            }
        }

        [[unroll]] for (uint e = 0u; e < 2u * PAIRS; e++)
        {
            uint j = e % PAIRS * 2u, row = m0 + rowOf(i + e / PAIRS), column = n0 + columnOf(j), at = row * columns + column;
            if (row < size && column < columns)
            {
                precise dvec2 sum = held[e] + dvec2(double(sums[i + e / PAIRS][j]), double(sums[i + e / PAIRS][j + 1u]));
                if (QUADS)
                {
                    DoublePairs(elementAddress(uvec2(gram), at)).v[0] = sum;
                }
                else
                {
                    Doubles element = targetsFrom(gram, at);
                    element.v[0] = sum.x;
                    if (column + 1u < columns)
                    {
                        element.v[1] = sum.y;
                    }
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

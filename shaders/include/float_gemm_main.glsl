// y = a·b (+ bias) (+ what y holds): shaders/calibration/gemm.comp and gemm_emulated.comp.
layout(constant_id = 10) const bool BIAS = false;
layout(constant_id = 11) const bool RESIDUAL = false;

layout(push_constant) uniform Push
{
    InWords a;
    InWords b;
    InFloats bias;
    Floats y;
    uint m;
    uint n;
    uint k;
    uint yStride;
};

void main()
{
    uint m0 = gl_WorkGroupID.y * TILE_M, n0 = gl_WorkGroupID.x * TILE_N;
    multiplyTile(a, b, m0, n0, m, n, k, 0u, k);
    [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
    {
        // What a row is added to is on its way together: one load behind the store before it would cost a trip to memory each.
        float held[MICRO_N];
        uint row = m0 + rowOf(i);
        [[unroll]] for (uint j = 0u; RESIDUAL && j < MICRO_N; j++)
        {
            uint column = n0 + columnOf(j);
            if (row < m && column < n)
            {
                held[j] = y.v[row * yStride + column];
            }
        }

        [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
        {
            uint column = n0 + columnOf(j);
            if (row < m && column < n)
            {
                float v = sums[i][j];
                if (BIAS)
                {
                    precise float biased = v + bias.v[column];
                    v = canonical(biased);
                }

                if (RESIDUAL)
                {
                    precise float added = held[j] + v;
                    v = canonical(added);
                }

                y.v[row * yStride + column] = v;
            }
        }
    }
}

// y[M×N] = a·bᵀ of matrices in two halves (train_split.comp) by cooperative matrices of f16 with f32 sums: high·high + high·low + low·high. A
// workgroup makes BM×BN outputs, a subgroup WM×WN of them; per step 32 columns of both operands lie in shared memory while the next are on their way.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "buffers.glsl"
#include "training_halves.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint SUBGROUP = 32;
layout(constant_id = 2) const uint FM = 16;                 // matrix shape
layout(constant_id = 3) const uint FN = 16;
layout(constant_id = 4) const uint FK = 16;
layout(constant_id = 5) const uint BM = 128;                // outputs of a workgroup
layout(constant_id = 6) const uint BN = 128;
layout(constant_id = 7) const uint WM = 64;                 // outputs of a subgroup
layout(constant_id = 8) const uint WN = 32;
layout(constant_id = 9) const uint ROW_TILES = 8;           // output tiles along M that neighbouring workgroups share b over
layout(constant_id = 10) const bool WHOLE = false;          // M and N are whole tiles

layout(push_constant) uniform Push
{
    InVectors a;
    InVectors b;
    InWords aLargest;
    InWords bLargest;
    Floats y;
    uint m;
    uint n;
    uint k;
};

const uint BK = 32u;
const uint VECTORS = BK / 8u;                               // of a row
const uint STRIDE = VECTORS + 1u;                           // one of padding spreads rows over the banks
const uint TM = WM / FM;
const uint TN = WN / FN;
const uint ROWS = 2u * (BM + BN);                           // high a, low a, high b, low b
const uint LOADS = ROWS * VECTORS / WORKGROUP;
const uint SCRATCH = FM * FN / 4u;
const uint SUBGROUPS = WORKGROUP / SUBGROUP;
const uint ROOM = ROWS * STRIDE > SUBGROUPS * SCRATCH ? ROWS * STRIDE : SUBGROUPS * SCRATCH;

shared uvec4 tiles[ROOM];

#define A_MATRIX coopmat<float16_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define B_MATRIX coopmat<float16_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define C_MATRIX coopmat<float, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>

uint m0, n0, depthVectors;
uvec4 held[LOADS];

void load(uint step)
{
    [[unroll]] for (uint i = 0u; i < LOADS; i++)
    {
        uint e = gl_LocalInvocationIndex + i * WORKGROUP, row = e / VECTORS, column = step * VECTORS + e % VECTORS;
        if (row < 2u * BM)
        {
            uint at = min(m0 + row % BM, m - 1u) + (row < BM ? 0u : m);
            held[i] = a.v[at * depthVectors + column];
        }
        else
        {
            uint r = row - 2u * BM, at = min(n0 + r % BN, n - 1u) + (r < BN ? 0u : n);
            held[i] = b.v[at * depthVectors + column];
        }
    }
}

void main()
{
    // Workgroups go down ROW_TILES tiles before they go to the next column of tiles.
    uint down = (m + BM - 1u) / BM, across = (n + BN - 1u) / BN, band = gl_WorkGroupID.x / (ROW_TILES * across);
    uint height = min(ROW_TILES, down - band * ROW_TILES), inside = gl_WorkGroupID.x - band * ROW_TILES * across;
    m0 = (band * ROW_TILES + inside % height) * BM;
    n0 = inside / height * BN;
    depthVectors = paddedDepth(k) / 8u;
    uint subRow = gl_SubgroupID % (BM / WM) * WM, subColumn = gl_SubgroupID / (BM / WM) * WN;
    C_MATRIX sums[TM * TN];
    [[unroll]] for (uint i = 0u; i < TM * TN; i++)
    {
        sums[i] = C_MATRIX(0.0);
    }

    uint steps = depthVectors / VECTORS;
    load(0u);
    for (uint step = 0u; step < steps; step++)
    {
        barrier();
        [[unroll]] for (uint i = 0u; i < LOADS; i++)
        {
            uint e = gl_LocalInvocationIndex + i * WORKGROUP;
            tiles[e / VECTORS * STRIDE + e % VECTORS] = held[i];
        }

        barrier();
        if (step + 1u < steps)
        {
            load(step + 1u);
        }

        [[unroll]] for (uint d = 0u; d < BK / FK; d++)
        {
            B_MATRIX high[TN], low[TN];
            [[unroll]] for (uint j = 0u; j < TN; j++)
            {
                uint at = (2u * BM + subColumn + j * FN) * STRIDE + d * (FK / 8u);
                coopMatLoad(high[j], tiles, at, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                coopMatLoad(low[j], tiles, at + BN * STRIDE, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            }

            [[unroll]] for (uint i = 0u; i < TM; i++)
            {
                uint at = (subRow + i * FM) * STRIDE + d * (FK / 8u);
                A_MATRIX x, rest;
                coopMatLoad(x, tiles, at, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(rest, tiles, at + BM * STRIDE, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint j = 0u; j < TN; j++)
                {
                    sums[i * TN + j] = coopMatMulAdd(rest, high[j], sums[i * TN + j]);
                    sums[i * TN + j] = coopMatMulAdd(x, low[j], sums[i * TN + j]);
                    sums[i * TN + j] = coopMatMulAdd(x, high[j], sums[i * TN + j]);
                }
            }
        }
    }

    float back = halvesInverse(aLargest.v[0]), back2 = halvesInverse(bLargest.v[0]);
    if (WHOLE)
    {
        [[unroll]] for (uint i = 0u; i < TM; i++)
        {
            [[unroll]] for (uint j = 0u; j < TN; j++)
            {
                sums[i * TN + j] = sums[i * TN + j] * back;
                sums[i * TN + j] = sums[i * TN + j] * back2;
                coopMatStore(sums[i * TN + j], y.v, (m0 + subRow + i * FM) * n + n0 + subColumn + j * FN, n, gl_CooperativeMatrixLayoutRowMajor);
            }
        }

        return;
    }

    barrier();
    [[unroll]] for (uint i = 0u; i < TM; i++)
    {
        [[unroll]] for (uint j = 0u; j < TN; j++)
        {
            coopMatStore(sums[i * TN + j], tiles, gl_SubgroupID * SCRATCH, FN / 4u, gl_CooperativeMatrixLayoutRowMajor);
            subgroupBarrier();
            for (uint e = gl_SubgroupInvocationID; e < FM * FN; e += SUBGROUP)
            {
                uint row = m0 + subRow + i * FM + e / FN, column = n0 + subColumn + j * FN + e % FN;
                if (row < m && column < n)
                {
                    float v = uintBitsToFloat(tiles[gl_SubgroupID * SCRATCH + e / 4u][e % 4u]);
                    y.v[row * n + column] = v * back * back2;
                }
            }

            subgroupBarrier();
        }
    }
}

// A tile of y[M×N] = a·b in f32: every output is Σ_k in ascending k with multiplyAdd from 0, as Portable.Reference's FloatGemm has it, so that
// no tile, workgroup or device changes a bit. A is M×K or K×M, B is N×K (of the checkpoint's element type) or K×N. An invocation owns MICRO_M ×
// MICRO_N outputs in quads that lie TILE/quads apart, so that neighbours read neighbouring quads of shared memory.
#ifndef FLOAT_GEMM_GLSL
#define FLOAT_GEMM_GLSL
#include "multiply_add.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;         // TILE_M/MICRO_M · TILE_N/MICRO_N
layout(constant_id = 1) const uint TABLE_TYPE = 0;          // of B where it is N×K: f32, f16, bf16
layout(constant_id = 2) const uint TILE_M = 128;
layout(constant_id = 3) const uint TILE_N = 128;
layout(constant_id = 4) const uint TILE_K = 16;
layout(constant_id = 5) const uint MICRO_M = 8;
layout(constant_id = 6) const uint MICRO_N = 8;
layout(constant_id = 7) const bool A_COLUMNS = false;       // A is K×M
layout(constant_id = 8) const bool B_COLUMNS = false;       // B is K×N, f32
layout(constant_id = 9) const bool QUADS = false;           // rows of both start on 16 bytes (8 of 16-bit elements) and have whole quads

const uint TABLE_FLOAT32 = 0u;
const uint TABLE_FLOAT16 = 1u;
const uint QUADS_M = TILE_M / 4u;
const uint QUADS_N = TILE_N / 4u;
const uint LANES_N = TILE_N / MICRO_N;
const uint LANES_M = TILE_M / MICRO_M;
const uint LOADS_A = (QUADS_M * TILE_K + WORKGROUP - 1u) / WORKGROUP;
const uint LOADS_B = (QUADS_N * TILE_K + WORKGROUP - 1u) / WORKGROUP;

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InPairs { uvec2 v[]; };

// [k][column] in quads, so that an invocation reads four at once; one quad more a row against bank conflicts of transposing stores.
shared vec4 tileA[TILE_K * (QUADS_M + 1u)];
shared vec4 tileB[TILE_K * (QUADS_N + 1u)];

float element(InWords table, uint type, uint index)
{
    if (type == TABLE_FLOAT32)
    {
        return uintBitsToFloat(table.v[index]);
    }

    uint word = table.v[index >> 1];
    uint bits = (index & 1u) != 0u ? word >> 16 : word & 0xFFFFu;
    return type == TABLE_FLOAT16 ? halfToFloat(bits) : uintBitsToFloat(bits << 16);
}

// Four neighbouring elements of a row of `columns`; 0 outside of the matrix.
vec4 quad(InWords table, uint type, uint row, uint rows, uint column, uint columns)
{
    if (row >= rows || column >= columns)
    {
        return vec4(0.0);
    }

    uint at = row * columns + column;
    if (QUADS)
    {
        if (type == TABLE_FLOAT32)
        {
            return InQuads(table).v[at >> 2];
        }

        uvec2 pair = InPairs(table).v[at >> 2];
        return type == TABLE_FLOAT16
            ? vec4(halfToFloat(pair.x & 0xFFFFu), halfToFloat(pair.x >> 16), halfToFloat(pair.y & 0xFFFFu), halfToFloat(pair.y >> 16))
            : vec4(uintBitsToFloat(pair.x << 16), uintBitsToFloat(pair.x & 0xFFFF0000u), uintBitsToFloat(pair.y << 16), uintBitsToFloat(pair.y & 0xFFFF0000u));
    }

    vec4 v = vec4(0.0);
    for (uint i = 0u; i < 4u && column + i < columns; i++)
    {
        v[i] = element(table, type, at + i);
    }

    return v;
}

vec4 nextA[LOADS_A];
vec4 nextB[LOADS_B];
float sums[MICRO_M][MICRO_N];

// The quads of a step that this invocation brings; `first` is the step's first k, `end` the first k that is not wanted.
void loadTiles(InWords a, InWords b, uint m0, uint n0, uint m, uint n, uint k, uint first, uint end)
{
    [[unroll]] for (uint i = 0u; i < LOADS_A; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (A_COLUMNS)
        {
            uint row = first + q / QUADS_M;
            nextA[i] = row < end ? quad(a, TABLE_FLOAT32, row, k, m0 + q % QUADS_M * 4u, m) : vec4(0.0);
        }
        else
        {
            nextA[i] = quad(a, TABLE_FLOAT32, m0 + q / (TILE_K / 4u), m, first + q % (TILE_K / 4u) * 4u, k);
        }
    }

    [[unroll]] for (uint i = 0u; i < LOADS_B; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (B_COLUMNS)
        {
            uint row = first + q / QUADS_N;
            nextB[i] = row < end ? quad(b, TABLE_FLOAT32, row, k, n0 + q % QUADS_N * 4u, n) : vec4(0.0);
        }
        else
        {
            nextB[i] = quad(b, TABLE_TYPE, n0 + q / (TILE_K / 4u), n, first + q % (TILE_K / 4u) * 4u, k);
        }
    }
}

void storeTiles()
{
    [[unroll]] for (uint i = 0u; i < LOADS_A; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (q < QUADS_M * TILE_K)
        {
            if (A_COLUMNS)
            {
                tileA[q / QUADS_M * (QUADS_M + 1u) + q % QUADS_M] = nextA[i];
            }
            else
            {
                uint row = q / (TILE_K / 4u);
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                {
                    tileA[(q % (TILE_K / 4u) * 4u + c) * (QUADS_M + 1u) + row / 4u][row % 4u] = nextA[i][c];
                }
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < LOADS_B; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (q < QUADS_N * TILE_K)
        {
            if (B_COLUMNS)
            {
                tileB[q / QUADS_N * (QUADS_N + 1u) + q % QUADS_N] = nextB[i];
            }
            else
            {
                uint row = q / (TILE_K / 4u);
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                {
                    tileB[(q % (TILE_K / 4u) * 4u + c) * (QUADS_N + 1u) + row / 4u][row % 4u] = nextB[i][c];
                }
            }
        }
    }
}

// Place of this invocation among those of the workgroup. Thirty-two neighbours form a rectangle of 4 × 8 where they can, so that they read the
// fewest different quads of shared memory.
const uint RECTANGLE_N = LANES_M % 4u + LANES_N % 8u == 0u ? 8u : LANES_N;
const uint RECTANGLE_M = LANES_M % 4u + LANES_N % 8u == 0u ? 4u : 1u;
const uint RECTANGLES = LANES_N / RECTANGLE_N;

uint laneM()
{
    uint i = gl_LocalInvocationIndex;
    return i / (RECTANGLE_M * RECTANGLE_N) / RECTANGLES * RECTANGLE_M + i % (RECTANGLE_M * RECTANGLE_N) / RECTANGLE_N;
}

uint laneN()
{
    uint i = gl_LocalInvocationIndex;
    return i / (RECTANGLE_M * RECTANGLE_N) % RECTANGLES * RECTANGLE_N + i % RECTANGLE_N;
}

// Row (column) of the tile that output i (j) of this invocation has.
uint rowOf(uint i)
{
    return i / 4u * (LANES_M * 4u) + laneM() * 4u + i % 4u;
}

uint columnOf(uint j)
{
    return j / 4u * (LANES_N * 4u) + laneN() * 4u + j % 4u;
}

// sums = Σ of k = first … end − 1; all invocations of the workgroup. Ends with a barrier owed before shared memory is written again, which it does itself.
void multiplyTile(InWords a, InWords b, uint m0, uint n0, uint m, uint n, uint k, uint first, uint end)
{
    [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
        {
            sums[i][j] = 0.0;
        }
    }

    loadTiles(a, b, m0, n0, m, n, k, first, end);
    for (uint k0 = first; k0 < end; k0 += TILE_K)
    {
        barrier();
        storeTiles();
        barrier();
        if (k0 + TILE_K < end)
        {
            loadTiles(a, b, m0, n0, m, n, k, k0 + TILE_K, end);
        }

        [[unroll]] for (uint s = 0u; s < TILE_K; s++)
        {
            vec4 x[MICRO_M / 4u], w[MICRO_N / 4u];
            [[unroll]] for (uint i = 0u; i < MICRO_M / 4u; i++)
            {
                x[i] = tileA[s * (QUADS_M + 1u) + i * LANES_M + laneM()];
            }

            [[unroll]] for (uint j = 0u; j < MICRO_N / 4u; j++)
            {
                w[j] = tileB[s * (QUADS_N + 1u) + j * LANES_N + laneN()];
            }

            [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
            {
                [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
                {
                    sums[i][j] = multiplyAdd(x[i / 4u][i % 4u], w[j / 4u][j % 4u], sums[i][j]);
                }
            }
        }
    }
}

#endif

// A tile of y[M×N] = a·b in f32: every output is Σ_k in ascending k with multiplyAdd from 0, as Portable.Reference's FloatGemm has it, so that
// no tile, workgroup or device changes a bit. A is M×K or K×M, B is N×K (of the checkpoint's element type) or K×N. An invocation owns MICRO_M ×
// MICRO_N outputs in quads that lie TILE/quads apart, so that neighbours read neighbouring quads of shared memory. What comes next is on its way
// to registers while a step is multiplied.
#ifndef FLOAT_GEMM_GLSL
#define FLOAT_GEMM_GLSL
#include "multiply_add.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;         // TILE_M/MICRO_M · TILE_N/MICRO_N
layout(constant_id = 1) const uint TABLE_TYPE = 0;          // of B where it is N×K: f32, f16, bf16
layout(constant_id = 2) const uint TILE_M = 128;
layout(constant_id = 3) const uint TILE_N = 128;
layout(constant_id = 4) const uint TILE_K = 8;              // a multiple of 8
layout(constant_id = 5) const uint MICRO_M = 8;
layout(constant_id = 6) const uint MICRO_N = 8;
layout(constant_id = 7) const bool A_COLUMNS = false;       // A is K×M
layout(constant_id = 8) const bool B_COLUMNS = false;       // B is K×N, f32
layout(constant_id = 9) const bool QUADS = false;           // rows of both start on 16 bytes (8 of 16-bit elements) and have whole quads
layout(constant_id = 12) const bool WHOLE = false;          // QUADS, and every run of k is of whole steps

const uint TABLE_FLOAT32 = 0u;
const uint TABLE_FLOAT16 = 1u;
const uint QUADS_M = TILE_M / 4u;
const uint QUADS_N = TILE_N / 4u;
const uint LANES_N = TILE_N / MICRO_N;
const uint LANES_M = TILE_M / MICRO_M;
const uint ALL_A = QUADS_M * TILE_K;
const uint ALL_B = QUADS_N * TILE_K;
const uint LOADS_A = (ALL_A + WORKGROUP - 1u) / WORKGROUP;
const uint LOADS_B = (ALL_B + WORKGROUP - 1u) / WORKGROUP;

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InPairs { uvec2 v[]; };

// [k][column] in quads, so that an invocation reads four at once; one quad more a row against bank conflicts of transposing stores.
const uint ROW_A = QUADS_M + 1u;
const uint ROW_B = QUADS_N + 1u;
shared vec4 tileA[TILE_K * ROW_A];
shared vec4 tileB[TILE_K * ROW_B];

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

// Four elements as they lie in memory.
uvec4 rawQuad(InWords table, uint type, uint index)
{
    return type == TABLE_FLOAT32 ? InVectors(table).v[index] : uvec4(InPairs(table).v[index], 0u, 0u);
}

vec4 decoded(uvec4 raw, uint type)
{
    return type == TABLE_FLOAT32 ? uintBitsToFloat(raw)
        : type == TABLE_FLOAT16 ? vec4(halfToFloat(raw.x & 0xFFFFu), halfToFloat(raw.x >> 16), halfToFloat(raw.y & 0xFFFFu), halfToFloat(raw.y >> 16))
        : vec4(uintBitsToFloat(raw.x << 16), uintBitsToFloat(raw.x & 0xFFFF0000u), uintBitsToFloat(raw.y << 16), uintBitsToFloat(raw.y & 0xFFFF0000u));
}

// Four neighbouring elements of a row of `columns`; 0 outside of the matrix.
vec4 quad(InWords table, uint type, uint row, uint rows, uint column, uint columns)
{
    vec4 v = vec4(0.0);
    if (row < rows && column < columns)
    {
        uint at = row * columns + column;
        if (QUADS)
        {
            return decoded(rawQuad(table, type, at >> 2), type);
        }

        for (uint i = 0u; i < 4u && column + i < columns; i++)
        {
            v[i] = element(table, type, at + i);
        }
    }

    return v;
}

// What is on its way: of WHOLE as it lies in memory, so that nothing waits for it before it is stored.
uvec4 nextA[LOADS_A];
uvec4 nextB[LOADS_B];
uint fromA[LOADS_A];        // of WHOLE: place of the quads to fetch
uint fromB[LOADS_B];
float sums[MICRO_M][MICRO_N];

// Row of the tile, and quad of a step, of quad q of an operand with K along its rows. Two neighbours share a row, so that the 32 of a subgroup
// store to 32 banks.
uvec2 placeOf(uint q, uint rows)
{
    return uvec2(q / 2u % rows, q / (2u * rows) * 2u + q % 2u);
}

// Where the quads of a run's first step lie. Rows and columns outside of the matrix are read from within: no output takes them.
void aim(uint m0, uint n0, uint m, uint n, uint k, uint first)
{
    [[unroll]] for (uint i = 0u; i < LOADS_A; i++)
    {
        uint q = min(gl_LocalInvocationIndex + i * WORKGROUP, ALL_A - 1u);
        uvec2 place = placeOf(q, TILE_M);
        fromA[i] = A_COLUMNS ? (first + q / QUADS_M) * (m / 4u) + min(m0 / 4u + q % QUADS_M, m / 4u - 1u) : min(m0 + place.x, m - 1u) * (k / 4u) + first / 4u + place.y;
    }

    [[unroll]] for (uint i = 0u; i < LOADS_B; i++)
    {
        uint q = min(gl_LocalInvocationIndex + i * WORKGROUP, ALL_B - 1u);
        uvec2 place = placeOf(q, TILE_N);
        fromB[i] = B_COLUMNS ? (first + q / QUADS_N) * (n / 4u) + min(n0 / 4u + q % QUADS_N, n / 4u - 1u) : min(n0 + place.x, n - 1u) * (k / 4u) + first / 4u + place.y;
    }
}

// The quads of a step that this invocation brings; `first` is the step's first k, `end` the first k that is not wanted.
void fetch(InWords a, InWords b, uint m0, uint n0, uint m, uint n, uint k, uint first, uint end)
{
    [[unroll]] for (uint i = 0u; i < LOADS_A; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (WHOLE)
        {
            nextA[i] = rawQuad(a, TABLE_FLOAT32, fromA[i]);
            fromA[i] += A_COLUMNS ? TILE_K * (m / 4u) : TILE_K / 4u;
        }
        else if (A_COLUMNS)
        {
            uint row = first + q / QUADS_M;
            nextA[i] = floatBitsToUint(row < end ? quad(a, TABLE_FLOAT32, row, k, m0 + q % QUADS_M * 4u, m) : vec4(0.0));
        }
        else
        {
            uvec2 place = placeOf(q, TILE_M);
            nextA[i] = floatBitsToUint(quad(a, TABLE_FLOAT32, m0 + place.x, m, first + place.y * 4u, k));
        }
    }

    [[unroll]] for (uint i = 0u; i < LOADS_B; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (WHOLE)
        {
            nextB[i] = rawQuad(b, B_COLUMNS ? TABLE_FLOAT32 : TABLE_TYPE, fromB[i]);
            fromB[i] += B_COLUMNS ? TILE_K * (n / 4u) : TILE_K / 4u;
        }
        else if (B_COLUMNS)
        {
            uint row = first + q / QUADS_N;
            nextB[i] = floatBitsToUint(row < end ? quad(b, TABLE_FLOAT32, row, k, n0 + q % QUADS_N * 4u, n) : vec4(0.0));
        }
        else
        {
            uvec2 place = placeOf(q, TILE_N);
            nextB[i] = floatBitsToUint(quad(b, TABLE_TYPE, n0 + place.x, n, first + place.y * 4u, k));
        }
    }
}

// Stores what was fetched.
void store()
{
    [[unroll]] for (uint i = 0u; i < LOADS_A; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (ALL_A % WORKGROUP == 0u || q < ALL_A)
        {
            vec4 v = uintBitsToFloat(nextA[i]);
            if (A_COLUMNS)
            {
                tileA[q / QUADS_M * ROW_A + q % QUADS_M] = v;
            }
            else
            {
                uvec2 place = placeOf(q, TILE_M);
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                {
                    tileA[(place.y * 4u + c) * ROW_A + place.x / 4u][place.x % 4u] = v[c];
                }
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < LOADS_B; i++)
    {
        uint q = gl_LocalInvocationIndex + i * WORKGROUP;
        if (ALL_B % WORKGROUP == 0u || q < ALL_B)
        {
            vec4 v = decoded(nextB[i], WHOLE && !B_COLUMNS ? TABLE_TYPE : TABLE_FLOAT32);
            if (B_COLUMNS)
            {
                tileB[q / QUADS_N * ROW_B + q % QUADS_N] = v;
            }
            else
            {
                uvec2 place = placeOf(q, TILE_N);
                [[unroll]] for (uint c = 0u; c < 4u; c++)
                {
                    tileB[(place.y * 4u + c) * ROW_B + place.x / 4u][place.x % 4u] = v[c];
                }
            }
        }
    }
}

// Place of this invocation among those of the workgroup. Thirty-two neighbours form a rectangle of 8 × 4 where they can, so that they read the fewest
// different quads of shared memory: bits 1 … 3 go down, bits 0 and 4 across. Of four neighbours at least two read the same quad of either operand, which is
// what lets 16 of them be served at once by shared memory of 32 banks.
const bool RECTANGLE = LANES_M % 8u + LANES_N % 4u == 0u;

uint laneM()
{
    uint i = gl_LocalInvocationIndex, r = i / 32u;
    return RECTANGLE ? r / (LANES_N / 4u) * 8u + i / 2u % 8u  : i / LANES_N;
}

uint laneN()
{
    uint i = gl_LocalInvocationIndex, r = i / 32u;
    return RECTANGLE ? r % (LANES_N / 4u) * 4u + i / 16u % 2u * 2u + i % 2u  : i % LANES_N;
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

// Adds the products of the step that shared memory holds.
void multiplyStep()
{
    uint atA = laneM(), atB = laneN();
    [[unroll]] for (uint s = 0u; s < TILE_K; s++)
    {
        vec4 x[MICRO_M / 4u], w[MICRO_N / 4u];
        [[unroll]] for (uint i = 0u; i < MICRO_M / 4u; i++)
        {
            x[i] = tileA[s * ROW_A + atA + i * LANES_M];
        }

        [[unroll]] for (uint j = 0u; j < MICRO_N / 4u; j++)
        {
            w[j] = tileB[s * ROW_B + atB + j * LANES_N];
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

// sums = Σ of k = first … end − 1; all invocations of the workgroup.
void multiplyTile(InWords a, InWords b, uint m0, uint n0, uint m, uint n, uint k, uint first, uint end)
{
    [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
        {
            sums[i][j] = 0.0;
        }
    }

    if (WHOLE)
    {
        aim(m0, n0, m, n, k, first);
    }

    // What the run before this one reads of shared memory has been read behind the barrier. The last step stands behind the loop: a fetch under a
    // condition cost a NVIDIA H200 a fifth.
    fetch(a, b, m0, n0, m, n, k, first, end);
    barrier();
    store();
    barrier();
    for (uint next = first + TILE_K; next < end; next += TILE_K)
    {
        fetch(a, b, m0, n0, m, n, k, next, end);
        multiplyStep();
        barrier();
        store();
        barrier();
    }

    multiplyStep();
}

#endif

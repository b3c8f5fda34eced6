#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Attention of a tile of rows of one sequence over a quantized cache (KV2 … KV8): workgroup (head, tile), at most 16 × TILE_ROWS invocations.
// Scores are exact integers; p becomes a 16-bit code c = 256·high + low with the value's scale folded in, and Σ c·(v − zv) is
// summed exactly, digit by digit (docs/float-contract.md). Scores are computed twice, for the maximum and for the sums.
layout(constant_id = 7) const uint TILE_ROWS = 32;

layout(push_constant) uniform Push
{
    InRows rows;
    InTiles tiles;
    InWords queries;
    InVectors queryParameters;
    InWords keys;
    InWords values;
    InWords parameters;
    Floats attended;
    AttentionShape shape;
};

#include "pages.glsl"
#include "fields.glsl"

const uint ROW_LANES = WORKGROUP / 16u;
const uint ROWS_EACH = TILE_ROWS / ROW_LANES;
const uint QUADS = HEAD_SIZE / 4u;                              // columns of the output, four at a time
const uint ROW_GROUPS = WORKGROUP / QUADS;
const uint SUM_ROWS = (TILE_ROWS + ROW_GROUPS - 1u) / ROW_GROUPS;

shared uint stage[BYTE_WORDS * CHUNK];          // keys [byte word][64], or values [16 key quads][BYTE_WORDS·4]
shared uint query[TILE_ROWS * BYTE_WORDS];
shared uvec2 digits[TILE_ROWS * 16u];           // high and low digits of four keys' codes
shared float rowMaximum[TILE_ROWS * 16u];
shared float rowScale[TILE_ROWS * 16u];
shared uint rowTotal[TILE_ROWS];                // Σ e
shared int rowHighZero[TILE_ROWS];              // Σ high·zv
shared int rowLowZero[TILE_ROWS];

uint lane = gl_LocalInvocationIndex;
uint keyQuad = lane % 16u;
uint rowLane = lane / 16u;
uint kvHead;
uint plane;

void loadKeys(uint chunk)
{
    barrier();
    uint base = chunkPlace(kvHead, chunk) * HEAD_WORDS * CHUNK;
    for (uint i = lane; i < HEAD_WORDS * CHUNK; i += WORKGROUP)
    {
        uint packed = keys.v[base + i];
        for (uint s = 0u; s < PHASES; s++)
        {
            stage[((i / CHUNK) * PHASES + s) * CHUNK + i % CHUNK] = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
        }
    }

    barrier();
}

// Four tokens by four columns turned so that a word holds one column of four tokens.
void loadValues(uint chunk)
{
    barrier();
    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS;
    for (uint i = lane; i < HEAD_WORDS * 16u; i += WORKGROUP)
    {
        uint word = i % HEAD_WORDS, quad = i / HEAD_WORDS;
        uvec4 packed;
        for (uint j = 0u; j < 4u; j++)
        {
            packed[j] = values.v[base + (quad * 4u + j) * HEAD_WORDS + word];
        }

        for (uint s = 0u; s < PHASES; s++)
        {
            uvec4 v = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
            for (uint d = 0u; d < 4u; d++)
            {
                uvec4 b = (v >> (8u * d)) & 0xFFu;
                stage[quad * BYTE_WORDS * 4u + (word * PHASES + s) * 4u + d] = b.x | b.y << 8 | b.z << 16 | b.w << 24;
            }
        }
    }

    barrier();
}

uvec4 rowParameters[ROWS_EACH];

void scoreChunk(uint chunk, out float score[ROWS_EACH][4])
{
    uint dots[ROWS_EACH][4];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint j = 0u; j < 4u; j++)
        {
            dots[r][j] = 0u;
        }
    }

    for (uint word = 0u; word < BYTE_WORDS; word++)
    {
        [[unroll]] for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint q = query[(rowLane + r * ROW_LANES) * BYTE_WORDS + word];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                dots[r][j] += dotPacked4x8EXT(q, stage[word * CHUNK + keyQuad * 4u + j]);
            }
        }
    }

    uint first = chunkPlace(kvHead, chunk) * CHUNK + keyQuad * 4u;
    for (uint j = 0u; j < 4u; j++)
    {
        uint t = first + j;
        float scale = uintBitsToFloat(parameters.v[t]);
        uint zeroAndSum = parameters.v[plane + t];
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            score[r][j] = integerScore(dots[r][j], rowParameters[r], scale, zeroAndSum);
        }
    }
}

void main()
{
    Tile tile = tiles.v[gl_WorkGroupID.y];
    uint head = gl_WorkGroupID.x;
    kvHead = head / (shape.heads / shape.kvHeads);
    findPages(rows.v[tile.firstRow]);
    uint firstPosition = rows.v[tile.firstRow].position;
    uint lastToken = firstPosition + tile.rowCount - 1u, firstChunk = firstSeen(firstPosition) / CHUNK;
    plane = planeTokens();
    for (uint i = lane; i < TILE_ROWS * BYTE_WORDS; i += WORKGROUP)
    {
        uint r = i / BYTE_WORDS;
        query[i] = r < tile.rowCount ? queries.v[((tile.firstRow + r) * shape.heads + head) * BYTE_WORDS + i % BYTE_WORDS] : 0u;
    }

    for (uint i = lane; i < TILE_ROWS; i += WORKGROUP)
    {
        rowTotal[i] = 0u;
        rowHighZero[i] = 0;
        rowLowZero[i] = 0;
    }

    float score[ROWS_EACH][4];
    float maximum[ROWS_EACH], valueScale[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        uint tileRow = min(rowLane + r * ROW_LANES, tile.rowCount - 1u);
        rowParameters[r] = queryParameters.v[(tile.firstRow + tileRow) * shape.heads + head];
        maximum[r] = -3.4e38;
        valueScale[r] = 0.0;
    }

    for (uint chunk = firstChunk; chunk <= lastToken / CHUNK; chunk++)
    {
        loadKeys(chunk);
        scoreChunk(chunk, score);
        uint first = chunkPlace(kvHead, chunk) * CHUNK + keyQuad * 4u;
        for (uint j = 0u; j < 4u; j++)
        {
            uint t = chunk * CHUNK + keyQuad * 4u + j;
            float scale = uintBitsToFloat(parameters.v[2u * plane + first + j]);
            for (uint r = 0u; r < ROWS_EACH; r++)
            {
                if (sees(firstPosition + rowLane + r * ROW_LANES, t, lastToken))
                {
                    maximum[r] = max(maximum[r], score[r][j]);
                    valueScale[r] = max(valueScale[r], scale);
                }
            }
        }
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        rowMaximum[(rowLane + r * ROW_LANES) * 16u + keyQuad] = maximum[r];
        rowScale[(rowLane + r * ROW_LANES) * 16u + keyQuad] = valueScale[r];
    }

    barrier();
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint i = 0u; i < 16u; i++)
        {
            maximum[r] = max(maximum[r], rowMaximum[(rowLane + r * ROW_LANES) * 16u + i]);
            valueScale[r] = max(valueScale[r], rowScale[(rowLane + r * ROW_LANES) * 16u + i]);
        }
    }

    uint quadColumn = lane % QUADS;
    uint rowGroup = lane / QUADS;
    uint total[ROWS_EACH];
    int highZero[ROWS_EACH], lowZero[ROWS_EACH];
    float inverseValueScale[ROWS_EACH];
    uint high[SUM_ROWS][4], low[SUM_ROWS][4];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        total[r] = 0u;
        highZero[r] = 0;
        lowZero[r] = 0;
        inverseValueScale[r] = reciprocal(valueScale[r]);
    }

    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        for (uint d = 0u; d < 4u; d++)
        {
            high[r][d] = 0u;
            low[r][d] = 0u;
        }
    }

    for (uint chunk = firstChunk; chunk <= lastToken / CHUNK; chunk++)
    {
        loadKeys(chunk);
        scoreChunk(chunk, score);
        uvec2 packed[ROWS_EACH];
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            packed[r] = uvec2(0u);
        }

        uint first = chunkPlace(kvHead, chunk) * CHUNK + keyQuad * 4u;
        for (uint j = 0u; j < 4u; j++)
        {
            uint t = chunk * CHUNK + keyQuad * 4u + j;
            uint at = first + j;
            float scale = uintBitsToFloat(parameters.v[2u * plane + at]);
            uint zero = parameters.v[3u * plane + at];
            for (uint r = 0u; r < ROWS_EACH; r++)
            {
                if (sees(firstPosition + rowLane + r * ROW_LANES, t, lastToken))
                {
                    uint code = probabilityCode(score[r][j], maximum[r], scale, inverseValueScale[r], total[r]);
                    packed[r] |= uvec2(code >> 8, code & 255u) << (8u * j);
                    highZero[r] += int((code >> 8) * zero);
                    lowZero[r] += int((code & 255u) * zero);
                }
            }
        }

        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            digits[(rowLane + r * ROW_LANES) * 16u + keyQuad] = packed[r];
        }

        loadValues(chunk);
        if (rowGroup < ROW_GROUPS)
        {
            for (uint quad = 0u; quad < 16u; quad++)
            {
                uint v[4];
                [[unroll]] for (uint d = 0u; d < 4u; d++)
                {
                    v[d] = stage[quad * BYTE_WORDS * 4u + quadColumn * 4u + d];
                }

                [[unroll]] for (uint r = 0u; r < SUM_ROWS; r++)
                {
                    uvec2 p = digits[min(rowGroup + r * ROW_GROUPS, TILE_ROWS - 1u) * 16u + quad];
                    [[unroll]] for (uint d = 0u; d < 4u; d++)
                    {
                        high[r][d] += dotPacked4x8EXT(p.x, v[d]);
                        low[r][d] += dotPacked4x8EXT(p.y, v[d]);
                    }
                }
            }
        }
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        atomicAdd(rowTotal[rowLane + r * ROW_LANES], total[r]);
        atomicAdd(rowHighZero[rowLane + r * ROW_LANES], highZero[r]);
        atomicAdd(rowLowZero[rowLane + r * ROW_LANES], lowZero[r]);
        if (keyQuad == 0u)
        {
            rowScale[(rowLane + r * ROW_LANES) * 16u] = valueScale[r];
        }
    }

    barrier();
    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        uint tileRow = rowGroup + r * ROW_GROUPS;
        if (rowGroup < ROW_GROUPS && tileRow < tile.rowCount)
        {
            float inverse = reciprocal(float(rowTotal[tileRow]));
            for (uint d = 0u; d < 4u; d++)
            {
                attended.v[((tile.firstRow + tileRow) * shape.heads + head) * HEAD_SIZE + quadColumn * 4u + d] = attendedValue(
                    int(high[r][d]) - rowHighZero[tileRow], int(low[r][d]) - rowLowZero[tileRow], rowScale[tileRow * 16u], inverse);
            }
        }
    }
}

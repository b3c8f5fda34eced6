#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Attention over a cache of f32, in the order of Portable.Reference's FloatAttention: scores sequential in the components, softmax around the
// row's largest score, sums of p and of p·v sequential within each chunk of 64 positions, chunks added in ascending order. Workgroup (head, tile
// of rows); scores are computed twice, for their maximum and for the sums, so that no context is too long to hold.
// An invocation has ROWS neighbouring rows and, of a chunk's keys and of a head's components, every LANES-th pair; so rows are read from shared memory
// four at a time, keys and components two.
layout(constant_id = 7) const uint TILE_ROWS = 64;

const uint SIDE = WORKGROUP == 256u ? 16u : 8u;             // WORKGROUP is its square
const uint BANDS = TILE_ROWS / 4u < SIDE ? TILE_ROWS / 4u : SIDE;
const uint LANES = WORKGROUP / BANDS;
const uint ROWS = TILE_ROWS / BANDS;                        // a multiple of 4
const uint ROW_QUADS = ROWS / 4u;
const uint KEY_PAIRS = CHUNK / LANES / 2u;
const uint HEAD_PAIRS = HEAD_SIZE / 2u;
const uint PARTS = (HEAD_PAIRS + LANES - 1u) / LANES;       // pairs of components
const uint SLICE = 16u;                                     // components, or positions, in shared memory at a time
const uint QUERY_STRIDE = TILE_ROWS / 4u + 1u;              // in quads
const uint KEY_STRIDE = CHUNK / 2u + 1u;                    // in pairs

layout(push_constant) uniform Push
{
    InRows rows;
    InTiles tiles;
    InFloats queries;
    InFloats queryParameters;
    InFloats keys;
    InFloats values;
    InFloats parameters;
    Floats attended;
    AttentionShape shape;
};

#include "pages.glsl"

shared vec4 queryStage[SLICE * QUERY_STRIDE];
shared vec2 keyStage[SLICE * KEY_STRIDE];
shared vec2 valueStage[SLICE * HEAD_PAIRS];
shared vec4 probabilities[CHUNK * QUERY_STRIDE];            // of a position, all rows

uint lane, band;
Tile tile;
Row firstRow;
uint kvHead;
vec2 scores[ROWS][KEY_PAIRS];

uint cacheRow(uint t)
{
    return tokenPlace(kvHead, t) * HEAD_SIZE;
}

bool seen(uint row, uint t)
{
    uint position = firstRow.position + row;
    return row < tile.rowCount && t <= position && t >= firstSeen(position);
}

// Row i of an invocation, and key c of its pair j.
uint rowOf(uint i)
{
    return band * ROWS + i;
}

uint keyOf(uint j, uint c)
{
    return 2u * (lane + j * LANES) + c;
}

// Scores of a chunk, before scaling.
void multiplyKeys(uint chunk)
{
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        [[unroll]] for (uint j = 0u; j < KEY_PAIRS; j++)
        {
            scores[i][j] = vec2(0.0);
        }
    }

    uint last = firstRow.position + tile.rowCount - 1u;
    for (uint d0 = 0u; d0 < HEAD_SIZE; d0 += SLICE)
    {
        uint width = min(SLICE, HEAD_SIZE - d0);
        barrier();
        for (uint i = gl_LocalInvocationIndex; i < TILE_ROWS * SLICE; i += WORKGROUP)
        {
            uint row = i / SLICE, d = i % SLICE;
            queryStage[d * QUERY_STRIDE + row / 4u][row % 4u] = row < tile.rowCount && d < width ? queries.v[((tile.firstRow + row) * shape.heads + gl_WorkGroupID.x) * HEAD_SIZE + d0 + d] : 0.0;
        }

        for (uint i = gl_LocalInvocationIndex; i < CHUNK * SLICE; i += WORKGROUP)
        {
            uint key = i / SLICE, d = i % SLICE, t = chunk * CHUNK + key;
            keyStage[d * KEY_STRIDE + key / 2u][key % 2u] = t <= last && d < width ? keys.v[cacheRow(t) + d0 + d] : 0.0;
        }

        barrier();
        for (uint d = 0u; d < width; d++)
        {
            vec2 k[KEY_PAIRS];
            [[unroll]] for (uint j = 0u; j < KEY_PAIRS; j++)
            {
                k[j] = keyStage[d * KEY_STRIDE + lane + j * LANES];
            }

            [[unroll]] for (uint quad = 0u; quad < ROW_QUADS; quad++)
            {
                vec4 q = queryStage[d * QUERY_STRIDE + band * ROW_QUADS + quad];
                [[unroll]] for (uint i = 0u; i < 4u; i++)
                {
                    [[unroll]] for (uint j = 0u; j < KEY_PAIRS; j++)
                    {
                        precise vec2 product = q[i] * k[j];
                        precise vec2 sum = scores[4u * quad + i][j] + product;
                        scores[4u * quad + i][j] = sum;
                    }
                }
            }
        }
    }
}

float scaledScore(float product)
{
    precise float score = product * SCORE_SCALE;
    return cappedScore(score);
}

void main()
{
    lane = gl_LocalInvocationIndex % LANES;
    band = gl_LocalInvocationIndex / LANES;
    // The last tiles have the most to see: they go first.
    tile = tiles.v[gl_NumWorkGroups.y - 1u - gl_WorkGroupID.y];
    firstRow = rows.v[tile.firstRow];
    findPages(firstRow);
    kvHead = gl_WorkGroupID.x / (shape.heads / shape.kvHeads);
    uint begin = firstSeen(firstRow.position) / CHUNK, end = (firstRow.position + tile.rowCount - 1u) / CHUNK + 1u;

    float highest[ROWS];
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        highest[i] = -3.402823e38;
    }

    for (uint chunk = begin; chunk < end; chunk++)
    {
        multiplyKeys(chunk);
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            [[unroll]] for (uint j = 0u; j < KEY_PAIRS; j++)
            {
                [[unroll]] for (uint c = 0u; c < 2u; c++)
                {
                    if (seen(rowOf(i), chunk * CHUNK + keyOf(j, c)))
                    {
                        highest[i] = max(highest[i], scaledScore(scores[i][j][c]));
                    }
                }
            }
        }
    }

    // The largest of each invocation, where probabilities will lie: LANES are fewer than a chunk's positions.
    [[unroll]] for (uint quad = 0u; quad < ROW_QUADS; quad++)
    {
        probabilities[lane * QUERY_STRIDE + band * ROW_QUADS + quad] = vec4(highest[4u * quad], highest[4u * quad + 1u], highest[4u * quad + 2u], highest[4u * quad + 3u]);
    }

    barrier();
    vec2 sums[ROWS][PARTS];
    float totals[ROWS];
    [[unroll]] for (uint quad = 0u; quad < ROW_QUADS; quad++)
    {
        for (uint j = 0u; j < LANES; j++)
        {
            vec4 others = probabilities[j * QUERY_STRIDE + band * ROW_QUADS + quad];
            [[unroll]] for (uint i = 0u; i < 4u; i++)
            {
                highest[4u * quad + i] = max(highest[4u * quad + i], others[i]);
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        totals[i] = 0.0;
        [[unroll]] for (uint p = 0u; p < PARTS; p++)
        {
            sums[i][p] = vec2(0.0);
        }
    }

    uint last = firstRow.position + tile.rowCount - 1u;
    for (uint chunk = begin; chunk < end; chunk++)
    {
        // Its barriers are behind everyone's reading of probabilities.
        multiplyKeys(chunk);
        [[unroll]] for (uint j = 0u; j < KEY_PAIRS; j++)
        {
            [[unroll]] for (uint c = 0u; c < 2u; c++)
            {
                uint key = keyOf(j, c);
                [[unroll]] for (uint quad = 0u; quad < ROW_QUADS; quad++)
                {
                    vec4 four;
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                    {
                        precise float below = scaledScore(scores[4u * quad + i][j][c]) - highest[4u * quad + i];
                        four[i] = seen(rowOf(4u * quad + i), chunk * CHUNK + key) ? contractExp(below) : 0.0;
                    }

                    probabilities[key * QUERY_STRIDE + band * ROW_QUADS + quad] = four;
                }
            }
        }

        vec2 parts[ROWS][PARTS];
        float chunkSums[ROWS];
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            chunkSums[i] = 0.0;
            [[unroll]] for (uint p = 0u; p < PARTS; p++)
            {
                parts[i][p] = vec2(0.0);
            }
        }

        for (uint t0 = 0u; t0 < CHUNK; t0 += SLICE)
        {
            barrier();
            for (uint i = gl_LocalInvocationIndex; i < SLICE * HEAD_SIZE; i += WORKGROUP)
            {
                uint d = i % HEAD_SIZE, t = chunk * CHUNK + t0 + i / HEAD_SIZE;
                valueStage[i / 2u][d % 2u] = t <= last ? values.v[cacheRow(t) + d] : 0.0;
            }

            barrier();
            for (uint t = 0u; t < SLICE; t++)
            {
                vec2 v[PARTS];
                [[unroll]] for (uint p = 0u; p < PARTS; p++)
                {
                    v[p] = lane + p * LANES < HEAD_PAIRS ? valueStage[t * HEAD_PAIRS + lane + p * LANES] : vec2(0.0);
                }

                [[unroll]] for (uint quad = 0u; quad < ROW_QUADS; quad++)
                {
                    vec4 probability = probabilities[(t0 + t) * QUERY_STRIDE + band * ROW_QUADS + quad];
                    [[unroll]] for (uint i = 0u; i < 4u; i++)
                    {
                        // Every invocation of a row adds its probabilities for itself, on the way.
                        precise float total = chunkSums[4u * quad + i] + probability[i];
                        chunkSums[4u * quad + i] = total;
                        [[unroll]] for (uint p = 0u; p < PARTS; p++)
                        {
                            precise vec2 product = probability[i] * v[p];
                            precise vec2 sum = parts[4u * quad + i][p] + product;
                            parts[4u * quad + i][p] = sum;
                        }
                    }
                }
            }
        }

        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            precise float total = totals[i] + chunkSums[i];
            totals[i] = total;
            [[unroll]] for (uint p = 0u; p < PARTS; p++)
            {
                precise vec2 sum = sums[i][p] + parts[i][p];
                sums[i][p] = sum;
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        uint row = rowOf(i);
        float inverse = reciprocal(totals[i]);
        [[unroll]] for (uint p = 0u; p < PARTS; p++)
        {
            [[unroll]] for (uint c = 0u; c < 2u; c++)
            {
                uint d = 2u * (lane + p * LANES) + c;
                if (row < tile.rowCount && d < HEAD_SIZE)
                {
                    precise float v = sums[i][p][c] * inverse;
                    attended.v[((tile.firstRow + row) * shape.heads + gl_WorkGroupID.x) * HEAD_SIZE + d] = canonical(v);
                }
            }
        }
    }
}

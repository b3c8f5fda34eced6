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
// An invocation has ROWS rows (LANES apart) and, of a chunk's keys and of a head's components, every LANES-th.
layout(constant_id = 7) const uint TILE_ROWS = 64;

const uint LANES = WORKGROUP == 256u ? 16u : 8u;            // WORKGROUP is their square
const uint ROWS = TILE_ROWS / LANES;
const uint KEYS = CHUNK / LANES;
const uint PARTS = (HEAD_SIZE + LANES - 1u) / LANES;
const uint SLICE = 16u;                                     // components, or positions, in shared memory at a time

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

shared float queryStage[SLICE * (TILE_ROWS + 1u)];
shared float keyStage[SLICE * (CHUNK + 1u)];
shared float valueStage[SLICE * HEAD_SIZE];
shared float probabilities[TILE_ROWS * (CHUNK + 1u)];
shared float chunkSums[TILE_ROWS];

uint lane, band;
Tile tile;
Row firstRow;
uint kvHead;
float scores[ROWS][KEYS];

uint cacheRow(uint t)
{
    return tokenPlace(kvHead, t) * HEAD_SIZE;
}

bool seen(uint row, uint t)
{
    uint position = firstRow.position + row;
    return row < tile.rowCount && t <= position && t >= firstSeen(position);
}

// Scores of a chunk, before scaling.
void multiplyKeys(uint chunk)
{
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        [[unroll]] for (uint j = 0u; j < KEYS; j++)
        {
            scores[i][j] = 0.0;
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
            queryStage[d * (TILE_ROWS + 1u) + row] = row < tile.rowCount && d < width ? queries.v[((tile.firstRow + row) * shape.heads + gl_WorkGroupID.x) * HEAD_SIZE + d0 + d] : 0.0;
        }

        for (uint i = gl_LocalInvocationIndex; i < CHUNK * SLICE; i += WORKGROUP)
        {
            uint t = chunk * CHUNK + i / SLICE, d = i % SLICE;
            keyStage[d * (CHUNK + 1u) + i / SLICE] = t <= last && d < width ? keys.v[cacheRow(t) + d0 + d] : 0.0;
        }

        barrier();
        for (uint d = 0u; d < width; d++)
        {
            [[unroll]] for (uint i = 0u; i < ROWS; i++)
            {
                float q = queryStage[d * (TILE_ROWS + 1u) + band + i * LANES];
                [[unroll]] for (uint j = 0u; j < KEYS; j++)
                {
                    precise float product = q * keyStage[d * (CHUNK + 1u) + lane + j * LANES];
                    precise float sum = scores[i][j] + product;
                    scores[i][j] = sum;
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
    tile = tiles.v[gl_WorkGroupID.y];
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
            [[unroll]] for (uint j = 0u; j < KEYS; j++)
            {
                if (seen(band + i * LANES, chunk * CHUNK + lane + j * LANES))
                {
                    highest[i] = max(highest[i], scaledScore(scores[i][j]));
                }
            }
        }
    }

    // The largest of each invocation, where probabilities will lie.
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        probabilities[(band + i * LANES) * LANES + lane] = highest[i];
    }

    barrier();
    float sums[ROWS][PARTS], totals[ROWS];
    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        for (uint j = 0u; j < LANES; j++)
        {
            highest[i] = max(highest[i], probabilities[(band + i * LANES) * LANES + j]);
        }

        totals[i] = 0.0;
        [[unroll]] for (uint p = 0u; p < PARTS; p++)
        {
            sums[i][p] = 0.0;
        }
    }

    for (uint chunk = begin; chunk < end; chunk++)
    {
        multiplyKeys(chunk);
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            [[unroll]] for (uint j = 0u; j < KEYS; j++)
            {
                uint row = band + i * LANES, key = lane + j * LANES;
                precise float below = scaledScore(scores[i][j]) - highest[i];
                probabilities[row * (CHUNK + 1u) + key] = seen(row, chunk * CHUNK + key) ? contractExp(below) : 0.0;
            }
        }

        barrier();
        for (uint row = gl_LocalInvocationIndex; row < TILE_ROWS; row += WORKGROUP)
        {
            precise float sum = 0.0;
            for (uint t = 0u; t < CHUNK; t++)
            {
                sum = sum + probabilities[row * (CHUNK + 1u) + t];
            }

            chunkSums[row] = sum;
        }

        float parts[ROWS][PARTS];
        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            [[unroll]] for (uint p = 0u; p < PARTS; p++)
            {
                parts[i][p] = 0.0;
            }
        }

        uint last = firstRow.position + tile.rowCount - 1u;
        for (uint t0 = 0u; t0 < CHUNK; t0 += SLICE)
        {
            barrier();
            for (uint i = gl_LocalInvocationIndex; i < SLICE * HEAD_SIZE; i += WORKGROUP)
            {
                uint t = chunk * CHUNK + t0 + i / HEAD_SIZE;
                valueStage[i] = t <= last ? values.v[cacheRow(t) + i % HEAD_SIZE] : 0.0;
            }

            barrier();
            for (uint t = 0u; t < SLICE; t++)
            {
                float v[PARTS];
                [[unroll]] for (uint p = 0u; p < PARTS; p++)
                {
                    v[p] = lane + p * LANES < HEAD_SIZE ? valueStage[t * HEAD_SIZE + lane + p * LANES] : 0.0;
                }

                [[unroll]] for (uint i = 0u; i < ROWS; i++)
                {
                    float probability = probabilities[(band + i * LANES) * (CHUNK + 1u) + t0 + t];
                    [[unroll]] for (uint p = 0u; p < PARTS; p++)
                    {
                        precise float product = probability * v[p];
                        precise float sum = parts[i][p] + product;
                        parts[i][p] = sum;
                    }
                }
            }
        }

        [[unroll]] for (uint i = 0u; i < ROWS; i++)
        {
            precise float total = totals[i] + chunkSums[band + i * LANES];
            totals[i] = total;
            [[unroll]] for (uint p = 0u; p < PARTS; p++)
            {
                precise float sum = sums[i][p] + parts[i][p];
                sums[i][p] = sum;
            }
        }
    }

    [[unroll]] for (uint i = 0u; i < ROWS; i++)
    {
        uint row = band + i * LANES;
        float inverse = reciprocal(totals[i]);
        [[unroll]] for (uint p = 0u; p < PARTS; p++)
        {
            uint d = lane + p * LANES;
            if (row < tile.rowCount && d < HEAD_SIZE)
            {
                precise float v = sums[i][p] * inverse;
                attended.v[((tile.firstRow + row) * shape.heads + gl_WorkGroupID.x) * HEAD_SIZE + d] = canonical(v);
            }
        }
    }
}

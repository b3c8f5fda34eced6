#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Attention of a tile of rows of one sequence over a half-precision cache: workgroup (head, tile), at most 16 × TILE_ROWS invocations. Keys are
// taken in chunks of 64; each score is summed over the head ascending, each chunk's Σp and Σp·v over its keys ascending, and
// the chunks are added ascending (DESIGN section 3). Scores are computed twice, for the maximum and for the sums.
layout(constant_id = 7) const uint TILE_ROWS = 16;

layout(push_constant) uniform Push
{
    InRows rows;
    InTiles tiles;
    InFloats qkv;
    InWords keys;
    InWords values;
    Floats attended;
    AttentionShape shape;
};

const uint HEAD_WORDS = HEAD_SIZE / 2u;
const uint ROW_LANES = WORKGROUP / 16u;
const uint ROWS_EACH = TILE_ROWS / ROW_LANES;                                     // rows of an invocation in the scores
const uint ROW_GROUPS = WORKGROUP / HEAD_WORDS;                             // in the sums: an invocation has one pair of columns
const uint SUM_ROWS = (TILE_ROWS + ROW_GROUPS - 1u) / ROW_GROUPS;           // and every ROW_GROUPS-th row

shared uint stage[HEAD_WORDS * CHUNK];          // keys [word][64] or values [64][word]
shared float query[TILE_ROWS * HEAD_SIZE];
shared float probability[TILE_ROWS * CHUNK];
shared float rowMaximum[TILE_ROWS * 16u];
shared float rowTotal[TILE_ROWS];

uint lane = gl_LocalInvocationIndex;
uint keyQuad = lane % 16u;
uint rowLane = lane / 16u;

void loadStage(bool isKey, uint slot, uint chunk)
{
    barrier();
    uint base = (slot * shape.chunks + chunk) * HEAD_WORDS * CHUNK;
    for (uint i = lane; i < HEAD_WORDS * CHUNK; i += WORKGROUP)
    {
        stage[i] = isKey ? keys.v[base + i] : values.v[base + i];
    }

    barrier();
}

// Scores of this invocation's rows and four keys.
void scoreChunk(out float score[ROWS_EACH][4])
{
    precise float s[ROWS_EACH][4];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint j = 0u; j < 4u; j++)
        {
            s[r][j] = 0.0;
        }
    }

    for (uint word = 0u; word < HEAD_WORDS; word++)
    {
        float even[4], odd[4];
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint pair = stage[word * CHUNK + keyQuad * 4u + j];
            even[j] = halfToFloat(pair & 0xFFFFu);
            odd[j] = halfToFloat(pair >> 16);
        }

        [[unroll]] for (uint r = 0u; r < ROWS_EACH; r++)
        {
            float q0 = query[(rowLane + r * ROW_LANES) * HEAD_SIZE + word * 2u];
            float q1 = query[(rowLane + r * ROW_LANES) * HEAD_SIZE + word * 2u + 1u];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                precise float a = q0 * even[j];
                s[r][j] = s[r][j] + a;
                precise float b = q1 * odd[j];
                s[r][j] = s[r][j] + b;
            }
        }
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint j = 0u; j < 4u; j++)
        {
            precise float scaled = s[r][j] * SCORE_SCALE;
            score[r][j] = canonical(scaled);
        }
    }
}

void main()
{
    Tile tile = tiles.v[gl_WorkGroupID.y];
    uint head = gl_WorkGroupID.x;
    uint kvHead = head / (shape.heads / shape.kvHeads);
    uint slot = slotOf(shape, rows.v[tile.firstRow].sequence, kvHead);
    uint firstPosition = rows.v[tile.firstRow].position;
    uint chunkCount = (firstPosition + tile.rowCount - 1u) / CHUNK + 1u;
    uint stride = (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    for (uint i = lane; i < TILE_ROWS * HEAD_SIZE; i += WORKGROUP)
    {
        uint r = i / HEAD_SIZE;
        query[i] = r < tile.rowCount ? qkv.v[(tile.firstRow + r) * stride + head * HEAD_SIZE + i % HEAD_SIZE] : 0.0;
    }

    float score[ROWS_EACH][4];
    float maximum[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        maximum[r] = -3.4e38;
    }

    for (uint chunk = 0u; chunk < chunkCount; chunk++)
    {
        loadStage(true, slot, chunk);
        scoreChunk(score);
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            for (uint j = 0u; j < 4u; j++)
            {
                if (chunk * CHUNK + keyQuad * 4u + j <= firstPosition + rowLane + r * ROW_LANES)
                {
                    maximum[r] = max(maximum[r], score[r][j]);
                }
            }
        }
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        rowMaximum[(rowLane + r * ROW_LANES) * 16u + keyQuad] = maximum[r];
    }

    barrier();
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint i = 0u; i < 16u; i++)
        {
            maximum[r] = max(maximum[r], rowMaximum[(rowLane + r * ROW_LANES) * 16u + i]);
        }
    }

    uint pair = lane % HEAD_WORDS;
    uint rowGroup = lane / HEAD_WORDS;
    precise float total = 0.0;                  // Σ p of row `lane`
    precise float sums[SUM_ROWS][2];
    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        sums[r][0] = 0.0;
        sums[r][1] = 0.0;
    }

    for (uint chunk = 0u; chunk < chunkCount; chunk++)
    {
        loadStage(true, slot, chunk);
        scoreChunk(score);
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            for (uint j = 0u; j < 4u; j++)
            {
                uint key = keyQuad * 4u + j;
                precise float below = score[r][j] - maximum[r];
                probability[(rowLane + r * ROW_LANES) * CHUNK + key] =
                    chunk * CHUNK + key <= firstPosition + rowLane + r * ROW_LANES ? contractExp(below) : 0.0;
            }
        }

        loadStage(false, slot, chunk);
        if (lane < TILE_ROWS)
        {
            precise float chunkTotal = 0.0;
            for (uint key = 0u; key < CHUNK; key++)
            {
                chunkTotal = chunkTotal + probability[lane * CHUNK + key];
            }

            total = total + chunkTotal;
        }

        if (rowGroup < ROW_GROUPS)
        {
            precise float chunkSums[SUM_ROWS][2];
            for (uint r = 0u; r < SUM_ROWS; r++)
            {
                chunkSums[r][0] = 0.0;
                chunkSums[r][1] = 0.0;
            }

            uint last = min(CHUNK, firstPosition + tile.rowCount - chunk * CHUNK);     // later keys are not written yet
            for (uint key = 0u; key < last; key++)
            {
                uint v = stage[key * HEAD_WORDS + pair];
                float v0 = halfToFloat(v & 0xFFFFu), v1 = halfToFloat(v >> 16);
                [[unroll]] for (uint r = 0u; r < SUM_ROWS; r++)
                {
                    uint tileRow = min(rowGroup + r * ROW_GROUPS, TILE_ROWS - 1u);
                    float p = probability[tileRow * CHUNK + key];
                    precise float a = p * v0;
                    chunkSums[r][0] = chunkSums[r][0] + a;
                    precise float b = p * v1;
                    chunkSums[r][1] = chunkSums[r][1] + b;
                }
            }

            for (uint r = 0u; r < SUM_ROWS; r++)
            {
                sums[r][0] = sums[r][0] + chunkSums[r][0];
                sums[r][1] = sums[r][1] + chunkSums[r][1];
            }
        }
    }

    if (lane < TILE_ROWS)
    {
        rowTotal[lane] = total;
    }

    barrier();
    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        uint tileRow = rowGroup + r * ROW_GROUPS;
        if (rowGroup < ROW_GROUPS && tileRow < tile.rowCount)
        {
            float inverse = reciprocal(rowTotal[tileRow]);
            precise float a = sums[r][0] * inverse;
            precise float b = sums[r][1] * inverse;
            uint at = ((tile.firstRow + tileRow) * shape.heads + head) * HEAD_SIZE + pair * 2u;
            attended.v[at] = canonical(a);
            attended.v[at + 1u] = canonical(b);
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Attention of a tile of rows of one sequence over a 16-bit cache: workgroup (head, tile), at most 16 × TILE_ROWS invocations. Stretch
// by stretch of 64 keys: exact scores from four products of digits, codes relative to the stretch's largest contribution, exact sums
// from four more, added around the largest score so far (docs/float-contract.md). Keys and values come straight from the cache:
// an invocation has ROWS_EACH rows and four keys of the scores, then SUM_ROWS rows and four columns of the sums at a time.
layout(constant_id = 7) const uint TILE_ROWS = 16;

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
#include "probability_digits.glsl"
#include "digits.glsl"

const uint QUADS = CHUNK / 4u;                                          // fours of keys
const uint ROW_LANES = WORKGROUP / QUADS;
const uint ROWS_EACH = TILE_ROWS / ROW_LANES;
const uint COLUMN_LANES = DIGIT_WORDS < WORKGROUP ? DIGIT_WORDS : WORKGROUP;
const uint COLUMN_STEPS = (DIGIT_WORDS + COLUMN_LANES - 1u) / COLUMN_LANES;
const uint ROW_GROUPS = WORKGROUP / COLUMN_LANES;
const uint SUM_ROWS = (TILE_ROWS + ROW_GROUPS - 1u) / ROW_GROUPS;

shared uint query[TILE_ROWS * HEAD_WORDS];
shared uvec2 digits[TILE_ROWS * QUADS];         // high and low digits of four keys' codes
shared DigitRow state[TILE_ROWS];
shared int stretchMaximum[TILE_ROWS];           // ordered
shared uint stretchLargest[TILE_ROWS];
shared uint stretchMass[TILE_ROWS];

uint lane = gl_LocalInvocationIndex;
uint keyQuad = lane % QUADS;
uint rowLane = lane / QUADS;
uint kvHead;

void loadQueries(Tile tile, uint head)
{
    for (uint i = lane; i < TILE_ROWS * HEAD_WORDS; i += WORKGROUP)
    {
        uint r = i / HEAD_WORDS;
        query[i] = r < tile.rowCount ? queries.v[((tile.firstRow + r) * shape.heads + head) * HEAD_WORDS + i % HEAD_WORDS] : 0u;
    }

    for (uint r = lane; r < TILE_ROWS; r += WORKGROUP)
    {
        state[r] = DigitRow(BELOW_ALL_SCORES, 0.0, 0.0, 0.0);
        stretchMaximum[r] = ordered(BELOW_ALL_SCORES);
        stretchLargest[r] = 0u;
        stretchMass[r] = 0u;
    }

    barrier();
}

// Exact products of this invocation's rows and four keys, as floats.
void multiplyKeys(uint chunk, out vec4 dots[ROWS_EACH])
{
    ivec4 hh[ROWS_EACH], hl[ROWS_EACH], ll[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        hh[r] = ivec4(0);
        hl[r] = ivec4(0);
        ll[r] = ivec4(0);
    }

    uint base = chunkPlace(kvHead, chunk) * HEAD_WORDS * CHUNK + keyQuad * 4u;
    for (uint word = 0u; word < DIGIT_WORDS; word++)
    {
        uvec4 high, low;
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            high[j] = keys.v[base + word * CHUNK + j];
            low[j] = keys.v[base + (DIGIT_WORDS + word) * CHUNK + j];
        }

        [[unroll]] for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint at = (rowLane + r * ROW_LANES) * HEAD_WORDS + word;
            uint h = query[at], l = query[at + DIGIT_WORDS];
            [[unroll]] for (uint j = 0u; j < 4u; j++)
            {
                hh[r][j] += signedDot(h, high[j]);
                hl[r][j] += signedDot(h, low[j]) + signedDot(l, high[j]);
                ll[r][j] += signedDot(l, low[j]);
            }
        }
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        for (uint j = 0u; j < 4u; j++)
        {
            dots[r][j] = exactSum(hh[r][j], hl[r][j], ll[r][j]);
        }
    }
}

// Adds the stretch's Σ c·v to the sums of this invocation's rows and columns.
void addValues(uint chunk, uint step, inout vec4 sums[SUM_ROWS])
{
    uint word = lane % COLUMN_LANES + step * COLUMN_LANES, rowGroup = lane / COLUMN_LANES;
    if (word >= DIGIT_WORDS || rowGroup >= ROW_GROUPS)
    {
        return;
    }

    ivec4 hh[SUM_ROWS], hl[SUM_ROWS], ll[SUM_ROWS];
    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        hh[r] = ivec4(0);
        hl[r] = ivec4(0);
        ll[r] = ivec4(0);
    }

    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS + word;
    for (uint quad = 0u; quad < QUADS; quad++)
    {
        uvec4 high, low;
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint at = base + (quad * 4u + j) * HEAD_WORDS;
            high[j] = values.v[at];
            low[j] = values.v[at + DIGIT_WORDS];
        }

        high = turned(high);
        low = turned(low);
        [[unroll]] for (uint r = 0u; r < SUM_ROWS; r++)
        {
            uvec2 p = digits[min(rowGroup + r * ROW_GROUPS, TILE_ROWS - 1u) * QUADS + quad];
            [[unroll]] for (uint d = 0u; d < 4u; d++)
            {
                hh[r][d] += signedDot(p.x, high[d]);
                hl[r][d] += signedDot(p.x, low[d]) + signedDot(p.y, high[d]);
                ll[r][d] += signedDot(p.y, low[d]);
            }
        }
    }

    for (uint r = 0u; r < SUM_ROWS; r++)
    {
        DigitRow row = state[min(rowGroup + r * ROW_GROUPS, TILE_ROWS - 1u)];
        for (uint d = 0u; d < 4u; d++)
        {
            sums[r][d] = addAttended(sums[r][d], exactSum(hh[r][d], hl[r][d], ll[r][d]), row.old, row.unit);
        }
    }
}

void main()
{
    Tile tile = tiles.v[gl_WorkGroupID.y];
    uint head = gl_WorkGroupID.x;
    kvHead = head / (shape.heads / shape.kvHeads);
    findPages(rows.v[tile.firstRow]);
    uint firstPosition = rows.v[tile.firstRow].position, lastToken = firstPosition + tile.rowCount - 1u;
    uint plane = planeTokens();
    loadQueries(tile, head);
    float queryScale[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        queryScale[r] = uintBitsToFloat(queryParameters.v[(tile.firstRow + min(rowLane + r * ROW_LANES, tile.rowCount - 1u)) * shape.heads + head].x);
    }

    vec4 sums[COLUMN_STEPS][SUM_ROWS];
    for (uint step = 0u; step < COLUMN_STEPS; step++)
    {
        for (uint r = 0u; r < SUM_ROWS; r++)
        {
            sums[step][r] = vec4(0.0);
        }
    }

    for (uint chunk = firstSeen(firstPosition) / CHUNK; chunk <= lastToken / CHUNK; chunk++)
    {
        // Tokens past the tile's last are not written yet; a row sees those up to its own, from the beginning of its window.
        uint at = chunkPlace(kvHead, chunk) * CHUNK + keyQuad * 4u;
        uvec4 tokens = chunk * CHUNK + keyQuad * 4u + uvec4(0u, 1u, 2u, 3u);
        vec4 keyScale, valueScale;
        for (uint j = 0u; j < 4u; j++)
        {
            keyScale[j] = uintBitsToFloat(parameters.v[at + j]);
            valueScale[j] = uintBitsToFloat(parameters.v[plane + at + j]);
        }

        vec4 score[ROWS_EACH];
        multiplyKeys(chunk, score);
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES, last = min(firstPosition + row, lastToken);
            float maximum = BELOW_ALL_SCORES;
            for (uint j = 0u; j < 4u; j++)
            {
                score[r][j] = digitScore(score[r][j], queryScale[r], keyScale[j]);
                maximum = sees(firstPosition + row, tokens[j], last) ? max(maximum, score[r][j]) : maximum;
            }

            atomicMax(stretchMaximum[row], ordered(maximum));
        }

        barrier();
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES, last = min(firstPosition + row, lastToken), mass = 0u;
            float maximum = unordered(stretchMaximum[row]), largest = 0.0;
            for (uint j = 0u; j < 4u; j++)
            {
                float contribution = 0.0;
                if (sees(firstPosition + row, tokens[j], last))
                {
                    contribution = contributionOf(score[r][j], maximum, valueScale[j], mass);
                }

                score[r][j] = contribution;
                largest = max(largest, contribution);
            }

            atomicMax(stretchLargest[row], floatBitsToUint(largest));
            atomicAdd(stretchMass[row], mass);
        }

        barrier();
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES;
            float largest = uintBitsToFloat(stretchLargest[row]), levels = levelsOf(largest);
            uvec4 code;
            for (uint j = 0u; j < 4u; j++)
            {
                code[j] = contributionCode(score[r][j], levels);
            }

            digits[row * QUADS + keyQuad] = packSignedDigits(code);
            if (keyQuad == 0u)
            {
                DigitRow next = state[row];
                addStretch(next, unordered(stretchMaximum[row]), largest, stretchMass[row]);
                state[row] = next;
                stretchMaximum[row] = ordered(BELOW_ALL_SCORES);
            }
        }

        barrier();
        for (uint r = 0u; r < ROWS_EACH; r++)
        {
            if (keyQuad == 0u)
            {
                stretchLargest[rowLane + r * ROW_LANES] = 0u;
                stretchMass[rowLane + r * ROW_LANES] = 0u;
            }
        }

        for (uint step = 0u; step < COLUMN_STEPS; step++)
        {
            addValues(chunk, step, sums[step]);
        }
    }

    for (uint step = 0u; step < COLUMN_STEPS; step++)
    {
        uint word = lane % COLUMN_LANES + step * COLUMN_LANES, rowGroup = lane / COLUMN_LANES;
        for (uint r = 0u; r < SUM_ROWS; r++)
        {
            uint row = rowGroup + r * ROW_GROUPS;
            if (word < DIGIT_WORDS && rowGroup < ROW_GROUPS && row < tile.rowCount)
            {
                float inverse = reciprocal(state[row].total);
                for (uint d = 0u; d < 4u; d++)
                {
                    precise float v = sums[step][r][d] * inverse;
                    attended.v[((tile.firstRow + row) * shape.heads + head) * HEAD_SIZE + word * 4u + d] = canonical(v);
                }
            }
        }
    }
}

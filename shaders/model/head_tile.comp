#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "head_logits.glsl"

// Logits as in head.comp, for several tokens: a team of 32 invocations, a partial sum each, multiplies ROWS rows of the table by
// TOKENS tokens, so that an element is converted once for all tokens and a hidden value is loaded once for all rows. AHEAD
// stretches of 64 columns are in flight, of the table for each team, of the hidden rows for the workgroup, whose teams read them
// from shared memory: read by each team from a cache they are 8 GB for 64 tokens of a 7B. Workgroup (span of tokens, span of rows).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint TOKENS = 8;
layout(constant_id = 4) const uint AHEAD = 2;

const uint TEAMS = WORKGROUP / 32u;
const uint COLUMNS = 64u * AHEAD;
const uint QUADS = COLUMNS / 4u;  // of a token's columns in flight
const uint LOADS = (TOKENS * QUADS + WORKGROUP - 1u) / WORKGROUP;
const uint HIDDEN_PAIRS = TOKENS * QUADS * 2u;
const uint PARTIAL_PAIRS = TEAMS * TOKENS * 16u;

// Hidden values in flight; at the end partial sums.
shared vec2 memory[HIDDEN_PAIRS > PARTIAL_PAIRS ? HIDDEN_PAIRS : PARTIAL_PAIRS];

uint lane, team, firstRow, firstToken;
vec4 held[LOADS];
uint words[AHEAD][ROWS];

// Row r of this team: a team's rows lie TEAMS apart. Rows and tokens past the end repeat the last one and are not stored.
uint rowOf(uint r)
{
    return min(firstRow + r * TEAMS, vocabulary - 1u);
}

// Columns k and k + 1 of a row.
vec2 weights(uint word, uint row, uint k)
{
    if (WIDE)
    {
        return vec2(wideWeight(word & 0xFFFFu), wideWeight(word >> 16));
    }

    return vec2(narrowWeight(row, k), narrowWeight(row, k + 1u));
}

// Asks for the columns from `first` on; what lies past the end is not multiplied.
void load(uint first)
{
    [[unroll]] for (uint i = 0u; i < LOADS; i++)
    {
        uint e = i * WORKGROUP + gl_LocalInvocationIndex, k = first + e % QUADS * 4u, token = min(firstToken + e / QUADS, tokenCount - 1u);
        if (e < TOKENS * QUADS && k < columns)
        {
            held[i] = WIDE ? InQuads(hidden).v[(token * columns + k) >> 2]
                : vec4(narrowHidden(token, k), narrowHidden(token, k + 1u), narrowHidden(token, k + 2u), narrowHidden(token, k + 3u));
        }
    }

    [[unroll]] for (uint a = 0u; a < AHEAD; a++)
    {
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
        {
            uint k = first + a * 64u + lane * 2u;
            if (WIDE && k < columns)
            {
                words[a][r] = table.v[(rowOf(r) * columns + k) >> 1];
            }
        }
    }
}

void main()
{
    lane = gl_LocalInvocationIndex % 32u;
    team = gl_LocalInvocationIndex / 32u;
    firstRow = gl_WorkGroupID.y * TEAMS * ROWS + team;
    firstToken = gl_WorkGroupID.x * TOKENS;
    precise float sums[ROWS][TOKENS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
    {
        [[unroll]] for (uint m = 0u; m < TOKENS; m++)
        {
            sums[r][m] = 0.0;
        }
    }

    load(0u);
    for (uint first = 0u; first < columns; first += COLUMNS)
    {
        barrier();
        [[unroll]] for (uint i = 0u; i < LOADS; i++)
        {
            uint e = i * WORKGROUP + gl_LocalInvocationIndex;
            if (e < TOKENS * QUADS)
            {
                memory[e * 2u] = held[i].xy;
                memory[e * 2u + 1u] = held[i].zw;
            }
        }

        vec2 w[AHEAD][ROWS];
        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            [[unroll]] for (uint r = 0u; r < ROWS; r++)
            {
                w[a][r] = weights(words[a][r], rowOf(r), first + a * 64u + lane * 2u);
            }
        }

        barrier();
        load(first + COLUMNS);
        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            if (first + a * 64u + lane * 2u < columns)
            {
                [[unroll]] for (uint m = 0u; m < TOKENS; m++)
                {
                    vec2 h = memory[m * QUADS * 2u + a * 32u + lane];
                    [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    {
                        precise vec2 product = h * w[a][r];
                        sums[r][m] = sums[r][m] + product.x;
                        sums[r][m] = sums[r][m] + product.y;
                    }
                }
            }
        }
    }

    // A row of every team at a time: its partial sums side by side, then an invocation folds those of a token.
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
    {
        barrier();
        [[unroll]] for (uint m = 0u; m < TOKENS; m++)
        {
            memory[(team * TOKENS + m) * 16u + (lane >> 1)][lane & 1u] = sums[r][m];
        }

        barrier();
        for (uint i = gl_LocalInvocationIndex; i < TEAMS * TOKENS; i += WORKGROUP)
        {
            uint row = gl_WorkGroupID.y * TEAMS * ROWS + r * TEAMS + i % TEAMS, token = firstToken + i / TEAMS;
            if (row < vocabulary && token < tokenCount)
            {
                vec4 p[8];
                [[unroll]] for (uint j = 0u; j < 8u; j++)
                {
                    uint at = (i % TEAMS * TOKENS + i / TEAMS) * 16u + j * 2u;
                    p[j] = vec4(memory[at], memory[at + 1u]);
                }

                storeLogit(p, token, row);
            }
        }
    }
}

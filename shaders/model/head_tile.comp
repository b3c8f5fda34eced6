#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "head_logits.glsl"

// Logits as in head.comp, for several tokens: a team of 32 invocations, a partial sum each, multiplies ROWS rows of the table by
// TOKENS tokens, so that an element is converted once for all tokens and a hidden value is loaded once for all rows. AHEAD
// stretches of 64 columns of the table are in flight; hidden rows come from a cache. Workgroup (span of tokens, span of rows).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint TOKENS = 8;
layout(constant_id = 4) const uint AHEAD = 2;

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InPairs { vec2 v[]; };

const uint TEAMS = WORKGROUP / 32u;
shared vec4 partials[TEAMS * TOKENS * 8u];

// Columns k and k + 1 of a row.
vec2 weights(uint word, uint row, uint k)
{
    if (WIDE)
    {
        return vec2(wideWeight(word & 0xFFFFu), wideWeight(word >> 16));
    }

    return vec2(narrowWeight(row, k), narrowWeight(row, k + 1u));
}

vec2 hiddenPair(uint token, uint k)
{
    if (WIDE)
    {
        return InPairs(hidden).v[(token * columns + k) >> 1];
    }

    return vec2(narrowHidden(token, k), narrowHidden(token, k + 1u));
}

void main()
{
    uint lane = gl_LocalInvocationIndex % 32u;
    uint team = gl_LocalInvocationIndex / 32u;

    // Rows of a team lie TEAMS apart. Rows and tokens past the end repeat the last one and are not stored.
    uint firstRow = gl_WorkGroupID.y * TEAMS * ROWS + team, firstToken = gl_WorkGroupID.x * TOKENS;
    precise float sums[ROWS][TOKENS];
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
    {
        [[unroll]] for (uint m = 0u; m < TOKENS; m++)
        {
            sums[r][m] = 0.0;
        }
    }

    for (uint first = lane * 2u; first < columns; first += 64u * AHEAD)
    {
        uint words[AHEAD][ROWS];
        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            [[unroll]] for (uint r = 0u; r < ROWS; r++)
            {
                if (WIDE && first + a * 64u < columns)
                {
                    words[a][r] = table.v[(min(firstRow + r * TEAMS, vocabulary - 1u) * columns + first + a * 64u) >> 1];
                }
            }
        }

        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            uint k = first + a * 64u;
            if (k < columns)
            {
                vec2 w[ROWS];
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                {
                    w[r] = weights(words[a][r], min(firstRow + r * TEAMS, vocabulary - 1u), k);
                }

                [[unroll]] for (uint m = 0u; m < TOKENS; m++)
                {
                    vec2 h = hiddenPair(min(firstToken + m, tokenCount - 1u), k);
                    [[unroll]] for (uint r = 0u; r < ROWS; r++)
                    {
                        precise vec2 product = h * w[r];
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
        if (r > 0u)
        {
            barrier();
        }

        [[unroll]] for (uint m = 0u; m < TOKENS; m++)
        {
            partials[(team * TOKENS + m) * 8u + (lane >> 2)][lane & 3u] = sums[r][m];
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
                    p[j] = partials[(i % TEAMS * TOKENS + i / TEAMS) * 8u + j];
                }

                storeLogit(p, token, row);
            }
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "head_logits.glsl"

// logits[m, v] = canonical(OrderedDot(hidden[m], table row v)). The 32 partial sums of a row belong to a team of 8 invocations,
// four neighbouring ones each, so that an invocation reads 8 neighbouring columns, one uvec4 of 16-bit elements, of ROWS
// rows, AHEAD stretches of 64 columns in flight. Workgroup (token, span of table rows).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 128;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 4) const uint AHEAD = 4;

const uint TEAMS = WORKGROUP / 8u;
shared vec4 partials[TEAMS * ROWS * 8u];

// Columns k … k + 7 of a row as 16-bit pairs, where WIDE.
uvec4 loadWide(uint row, uint k)
{
    return InVectors(table).v[(row * columns + k) >> 3];
}

float weight(uvec4 wide, uint row, uint k, uint i)
{
    if (WIDE)
    {
        uint word = wide[i >> 1];
        return wideWeight((i & 1u) != 0u ? word >> 16 : word & 0xFFFFu);
    }

    return narrowWeight(row, k + i);
}

// Eight hidden values.
void loadHidden(uint token, uint k, out float h[8])
{
    if (WIDE)
    {
        vec4 a = InQuads(hidden).v[(token * columns + k) >> 2], b = InQuads(hidden).v[((token * columns + k) >> 2) + 1u];
        [[unroll]] for (uint i = 0u; i < 4u; i++)
        {
            h[i] = a[i];
            h[4u + i] = b[i];
        }
    }
    else
    {
        [[unroll]] for (uint i = 0u; i < 8u; i++)
        {
            h[i] = narrowHidden(token, k + i);
        }
    }
}

void main()
{
    uint lane = gl_LocalInvocationIndex % 8u;
    uint team = gl_LocalInvocationIndex / 8u;

    // Rows of a team lie TEAMS apart. Rows past the end repeat the last one and are not stored.
    uint firstRow = gl_WorkGroupID.y * TEAMS * ROWS + team, token = gl_WorkGroupID.x;
    precise float sums[ROWS][4];
    [[unroll]] for (uint r = 0u; r < ROWS; r++)
    {
        [[unroll]] for (uint p = 0u; p < 4u; p++)
        {
            sums[r][p] = 0.0;
        }
    }

    for (uint first = lane * 8u; first < columns; first += 64u * AHEAD)
    {
        uvec4 wide[AHEAD][ROWS];
        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            [[unroll]] for (uint r = 0u; r < ROWS; r++)
            {
                if (WIDE && first + a * 64u < columns)
                {
                    wide[a][r] = loadWide(min(firstRow + r * TEAMS, vocabulary - 1u), first + a * 64u);
                }
            }
        }

        [[unroll]] for (uint a = 0u; a < AHEAD; a++)
        {
            uint k = first + a * 64u;
            if (k < columns)
            {
                float h[8];
                loadHidden(token, k, h);
                [[unroll]] for (uint r = 0u; r < ROWS; r++)
                {
                    [[unroll]] for (uint i = 0u; i < 8u; i++)
                    {
                        precise float product = h[i] * weight(wide[a][r], min(firstRow + r * TEAMS, vocabulary - 1u), k, i);
                        sums[r][i >> 1] = sums[r][i >> 1] + product;
                    }
                }
            }
        }
    }

    [[unroll]] for (uint r = 0u; r < ROWS; r++)
    {
        partials[(r * TEAMS + team) * 8u + lane] = vec4(sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
    }

    barrier();
    for (uint i = gl_LocalInvocationIndex; i < TEAMS * ROWS; i += WORKGROUP)
    {
        uint row = gl_WorkGroupID.y * TEAMS * ROWS + i;
        if (row < vocabulary)
        {
            vec4 p[8];
            [[unroll]] for (uint j = 0u; j < 8u; j++)
            {
                p[j] = partials[i * 8u + j];
            }

            storeLogit(p, token, row);
        }
    }
}

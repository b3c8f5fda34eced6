#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"
#include "table.glsl"

// logits[m, v] = canonical(OrderedDot(hidden[m], table row v)): each team of 32 invocations is the 32 partial sums of ROWS table
// rows × TOKENS tokens, so a team reads 32 words of a row side by side.
// Workgroup (span of table rows, span of tokens).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 128;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint TOKENS = 1;
layout(constant_id = 4) const bool WORD_PAIRS = false;     // 16-bit elements, even columns: a word is elements k and k + 1

layout(push_constant) uniform Push
{
    InFloats hidden;
    InWords table;
    Floats logits;
    uint columns;
    uint vocabulary;
    uint tokenCount;
};

const uint TEAMS = WORKGROUP / 32u;
const uint OUTPUTS = ROWS * TOKENS;
shared float partials[TEAMS * OUTPUTS * 32u];

void main()
{
    uint lane = gl_LocalInvocationIndex % 32u;
    uint team = gl_LocalInvocationIndex / 32u;
    uint row = (gl_WorkGroupID.x * TEAMS + team) * ROWS;
    uint token = gl_WorkGroupID.y * TOKENS;
    precise float sums[ROWS][TOKENS];
    for (uint r = 0u; r < ROWS; r++)
    {
        for (uint m = 0u; m < TOKENS; m++)
        {
            sums[r][m] = 0.0;
        }
    }

    // Rows and tokens past the end repeat the last one and are not stored.
    for (uint k = lane * 2u; k < columns; k += 64u)
    {
        bool second = k + 1u < columns;
        float h0[TOKENS], h1[TOKENS];
        [[unroll]] for (uint m = 0u; m < TOKENS; m++)
        {
            uint at = min(token + m, tokenCount - 1u) * columns + k;
            h0[m] = hidden.v[at];
            h1[m] = second ? hidden.v[at + 1u] : 0.0;
        }

        [[unroll]] for (uint r = 0u; r < ROWS; r++)
        {
            uint at = min(row + r, vocabulary - 1u) * columns + k;
            float w0, w1;
            if (WORD_PAIRS)
            {
                uint word = table.v[at >> 1];
                w0 = tableHalf(TABLE_TYPE, word & 0xFFFFu);
                w1 = tableHalf(TABLE_TYPE, word >> 16);
            }
            else
            {
                w0 = tableElement(TABLE_TYPE, table, at);
                w1 = second ? tableElement(TABLE_TYPE, table, at + 1u) : 0.0;
            }

            [[unroll]] for (uint m = 0u; m < TOKENS; m++)
            {
                precise float a = h0[m] * w0;
                sums[r][m] = sums[r][m] + a;
                if (second)
                {
                    precise float b = h1[m] * w1;
                    sums[r][m] = sums[r][m] + b;
                }
            }
        }
    }

    uint base = team * OUTPUTS * 32u;
    for (uint r = 0u; r < ROWS; r++)
    {
        for (uint m = 0u; m < TOKENS; m++)
        {
            partials[base + (r * TOKENS + m) * 32u + lane] = sums[r][m];
        }
    }

    for (uint half_ = 16u; half_ > 0u; half_ >>= 1)
    {
        barrier();
        for (uint i = lane; i < OUTPUTS * half_; i += 32u)
        {
            uint at = base + (i / half_) * 32u + i % half_;
            precise float sum = partials[at] + partials[at + half_];
            partials[at] = sum;
        }
    }

    barrier();
    for (uint i = lane; i < OUTPUTS; i += 32u)
    {
        uint r = i / TOKENS, m = i % TOKENS;
        if (row + r < vocabulary && token + m < tokenCount)
        {
            logits.v[(token + m) * vocabulary + row + r] = canonical(partials[base + i * 32u]);
        }
    }
}

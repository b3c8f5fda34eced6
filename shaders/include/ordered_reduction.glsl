// Contract.OrderedDot of (x − mean) with itself, or the ordered sum of a row: the workgroup computes the terms, 32 invocations
// add 32 partials in element order, sixteen loads ahead, and every invocation folds the partials by halves for itself.
// Needs `held`, inputRow, mean, x, STAGE and the quantizer's columns.
#ifndef ORDERED_REDUCTION_GLSL
#define ORDERED_REDUCTION_GLSL
#include "partials.glsl"

shared vec2 stage[STAGE / 2u];
shared vec4 partials[8];

float term(float raw, bool squares)
{
    precise float d = raw - mean;
    precise float square = d * d;
    return squares ? square : d;
}

vec4 terms(vec4 raw, bool squares)
{
    return vec4(term(raw.x, squares), term(raw.y, squares), term(raw.z, squares), term(raw.w, squares));
}

// Terms first … first + count − 1 into the stage; one past an odd end is +0, which changes no sum.
void stageTerms(uint first, uint count, bool squares, bool allHeld)
{
    if (allHeld)
    {
        [[unroll]] for (uint i = 0u; i < HELD; i++)
        {
            uint column = quadColumn(quantizer, gl_LocalInvocationIndex + i * WORKGROUP);
            if (column != NO_COLUMN)
            {
                vec4 t = terms(held[i], squares);
                stage[column >> 1] = t.xy;
                stage[(column >> 1) + 1u] = t.zw;
            }
        }

        return;
    }

    for (uint pair = gl_LocalInvocationIndex; pair * 2u < count; pair += WORKGROUP)
    {
        uint at = inputRow * sourceColumns + first + pair * 2u;
        bool second = pair * 2u + 1u < count;
        stage[pair] = vec2(term(x.v[at], squares), second ? term(x.v[at + 1u], squares) : 0.0);
    }
}

float orderedReduction(bool squares, bool allHeld)
{
    const uint AHEAD = 16u;
    uint lane = gl_LocalInvocationIndex;
    precise float partial = 0.0;
    for (uint first = 0u; first < sourceColumns; first += STAGE)
    {
        uint count = min(STAGE, sourceColumns - first), pairs = (count + 1u) / 2u;
        barrier();
        stageTerms(first, count, squares, allHeld);
        barrier();
        if (lane < 32u)
        {
            for (uint at = lane; at < pairs; at += 32u * AHEAD)
            {
                vec2 v[AHEAD];
                [[unroll]] for (uint j = 0u; j < AHEAD; j++)
                {
                    v[j] = at + j * 32u < pairs ? stage[at + j * 32u] : vec2(0.0);
                }

                [[unroll]] for (uint j = 0u; j < AHEAD; j++)
                {
                    partial = partial + v[j].x;
                    partial = partial + v[j].y;
                }
            }
        }
    }

    if (lane < 32u)
    {
        partials[lane / 4u][lane % 4u] = partial;
    }

    barrier();
    vec4 all[8];
    [[unroll]] for (uint i = 0u; i < 8u; i++)
    {
        all[i] = partials[i];
    }

    return foldPartials(all);
}

#endif

// One head's query, key or value: norm, rotary and ranges; head_codes.glsl and head_digits.glsl quantize.
// HEADS_AT_ONCE heads (3 or 4) go through together, queries first, then keys, then values. Needs contract.glsl, WORKGROUP threads, HEAD_SIZE,
// queries, keys and values (`newValue`, `newPair`, `awaitNew`), `rotary` (per position cosines and sines, then those of queries where they have their own), `queryGain`, `keyGain`, `shape`.
#ifndef HEADS_GLSL
#define HEADS_GLSL
#include "partials.glsl"

layout(constant_id = 19) const uint ROTARY_PAIRS = 64;      // that turn: (i, i + ROTARY_PAIRS)
layout(constant_id = 20) const bool QUERY_ROTARY = false;   // queries have cosines and sines of their own
layout(constant_id = 21) const uint QUERY_KEY_NORM = 0;
layout(constant_id = 22) const float NORM_EPSILON = 0.0;
layout(constant_id = 23) const float INVERSE_QUERY_WIDTH = 0.0; // fl(1/values that a norm of queries runs over)
layout(constant_id = 24) const float INVERSE_KEY_WIDTH = 0.0;

const uint NORM_NONE = 0u;
const uint NORM_HEADS = 1u;                 // a head by itself
const uint NORM_WIDTH = 2u;                 // all queries, all keys of a token
const uint PAIRS = HEAD_SIZE / 2u;
const uint ROTARY_STRIDE = (QUERY_ROTARY ? 4u : 2u) * ROTARY_PAIRS;
const uint NORM_AHEAD = QUERY_KEY_NORM == NORM_WIDTH ? 8u : (HEAD_SIZE + 63u) / 64u;     // stretches of 64 values in flight

shared float headValues[HEADS_AT_ONCE * HEAD_SIZE];
shared uint headLow[HEADS_AT_ONCE], headHigh[HEADS_AT_ONCE];
shared uint headSum[HEADS_AT_ONCE];         // for the sums of codes
shared float squares[QUERY_KEY_NORM == NORM_NONE ? 1u : HEADS_AT_ONCE * 32u];    // partial sums of each run that is normalised
shared float normFactor[HEADS_AT_ONCE];

// Which heads are what, and where a token's queries and keys lie.
struct HeadKinds
{
    uint firstQuery;
    uint firstKey;
    uint queries;       // heads before it are queries
    uint keys;          // heads before it are queries or keys
};

// A run of values that a norm goes over: a head, or all queries (run 0) and all keys (run 1).
uint normRun(uint head, HeadKinds kinds)
{
    return QUERY_KEY_NORM == NORM_HEADS ? head : head < kinds.queries ? 0u : 1u;
}

// Partial p of Contract.OrderedDot of a run with itself.
float addSquares(uint first, uint count, uint p)
{
    precise float sum = 0.0;
    for (uint k = 2u * p; k < count; k += 64u * NORM_AHEAD)
    {
        vec2 v[NORM_AHEAD];
        for (uint j = 0u; j < NORM_AHEAD; j++)
        {
            uint at = k + j * 64u;
            v[j] = at < count ? vec2(newValue(first + at), newValue(first + at + 1u)) : vec2(0.0);
        }

        for (uint j = 0u; j < NORM_AHEAD; j++)
        {
            precise vec2 square = v[j] * v[j];
            sum = sum + square.x;
            sum = sum + square.y;
        }
    }

    return sum;
}

// 1/√(mean x² + ε) of each run.
void findNormFactors(uint first[HEADS_AT_ONCE], HeadKinds kinds)
{
    if (QUERY_KEY_NORM == NORM_HEADS)
    {
        for (uint i = 0u; i < kinds.keys; i++)
        {
            awaitNew(first[i], HEAD_SIZE);
        }
    }
    else
    {
        awaitNew(kinds.firstQuery, (shape.heads + shape.kvHeads) * HEAD_SIZE);
    }

    awaitedBarrier();
    uint runs = QUERY_KEY_NORM == NORM_HEADS ? kinds.keys : 2u;
    for (uint i = gl_LocalInvocationIndex; i < runs * 32u; i += WORKGROUP)
    {
        uint run = i / 32u;
        if (QUERY_KEY_NORM == NORM_HEADS)
        {
            squares[i] = addSquares(first[run], HEAD_SIZE, i % 32u);
        }
        else
        {
            bool wanted = run == 0u ? kinds.queries > 0u : kinds.keys > kinds.queries;
            squares[i] = wanted ? addSquares(run == 0u ? kinds.firstQuery : kinds.firstKey, (run == 0u ? shape.heads : shape.kvHeads) * HEAD_SIZE, i % 32u) : 0.0;
        }
    }

    barrier();
    for (uint run = gl_LocalInvocationIndex; run < runs; run += WORKGROUP)
    {
        vec4 partials[8];
        for (uint i = 0u; i < 8u; i++)
        {
            uint at = run * 32u + i * 4u;
            partials[i] = vec4(squares[at], squares[at + 1u], squares[at + 2u], squares[at + 3u]);
        }

        bool query = QUERY_KEY_NORM == NORM_HEADS ? run < kinds.queries : run == 0u;
        precise float mean = foldPartials(partials) * (query ? INVERSE_QUERY_WIDTH : INVERSE_KEY_WIDTH);
        mean = mean + NORM_EPSILON;
        normFactor[run] = reciprocalSquareRoot(mean);
    }

    barrier();
}

float normalizedHead(float v, uint head, uint at, HeadKinds kinds)
{
    bool query = head < kinds.queries;
    uint gainAt = QUERY_KEY_NORM == NORM_HEADS ? at % HEAD_SIZE : at - (query ? kinds.firstQuery : kinds.firstKey);
    precise float scaled = v * normFactor[normRun(head, kinds)];
    scaled = scaled * (query ? queryGain.v[gainAt] : keyGain.v[gainAt]);
    return canonical(scaled);
}

// Loads heads into headValues; queries and keys normalised, then turned: a' = a·c − b·s, b' = b·c + a·s of pairs, the rest as it is.
void loadHeads(uint first[HEADS_AT_ONCE], uint position, HeadKinds kinds)
{
    if (gl_LocalInvocationIndex < HEADS_AT_ONCE)
    {
        headLow[gl_LocalInvocationIndex] = 0u;
        headHigh[gl_LocalInvocationIndex] = 0u;
        headSum[gl_LocalInvocationIndex] = 0u;
    }

    if (QUERY_KEY_NORM != NORM_NONE)
    {
        findNormFactors(first, kinds);
    }

    for (uint j = gl_LocalInvocationIndex; j < HEADS_AT_ONCE * PAIRS; j += WORKGROUP)
    {
        uint head = j / PAIRS, i = j % PAIRS;
        bool turns = i < ROTARY_PAIRS;
        uint atA = turns ? i : i + ROTARY_PAIRS, atB = turns ? i + ROTARY_PAIRS : i + PAIRS;

        // Asked for before what may have to be waited for.
        uint angle = position * ROTARY_STRIDE + (QUERY_ROTARY && head < kinds.queries ? 2u * ROTARY_PAIRS : 0u) + i;
        bool rotates = turns && head < kinds.keys;
        float c = rotates ? rotary.v[angle] : 1.0, s = rotates ? rotary.v[angle + ROTARY_PAIRS] : 0.0;
        vec2 pair = newPair(first[head] + atA, first[head] + atB);
        float a = pair.x, b = pair.y;
        if (QUERY_KEY_NORM != NORM_NONE && head < kinds.keys)
        {
            a = normalizedHead(a, head, first[head] + atA, kinds);
            b = normalizedHead(b, head, first[head] + atB, kinds);
        }

        if (rotates)
        {
            precise float ac = a * c;
            precise float bs = b * s;
            precise float bc = b * c;
            precise float as = a * s;
            precise float x = ac - bs;
            precise float y = bc + as;
            a = canonical(x);
            b = canonical(y);
        }

        headValues[head * HEAD_SIZE + atA] = a;
        headValues[head * HEAD_SIZE + atB] = b;
    }

    barrier();
}

// The ranges of the heads in headValues. A subgroup inside one head gives one range.
void findHeadRanges()
{
    for (uint i = gl_LocalInvocationIndex; i < HEADS_AT_ONCE * HEAD_SIZE; i += WORKGROUP)
    {
        // Both are ≥ +0, where float order is integer order.
        float v = headValues[i];
        uint head = i / HEAD_SIZE;
        uint low = floatBitsToUint(v < 0.0 ? -v : 0.0), high = floatBitsToUint(v > 0.0 ? v : 0.0);
        bool shares = true;
        if (subgroupAllEqual(head))
        {
            low = subgroupMax(low);
            high = subgroupMax(high);
            shares = subgroupElect();
        }

        if (shares)
        {
            atomicMax(headLow[head], low);
            atomicMax(headHigh[head], high);
        }
    }

    barrier();
}

#endif

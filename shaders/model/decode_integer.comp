#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "buffers.glsl"
#include "contract.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"
#include "decode.glsl"
#include "workgroup.glsl"
const uint HEADS_AT_ONCE = 3u;
#include "fields.glsl"
#include "heads.glsl"
#include "head_codes.glsl"
#include "cache.glsl"
#include "decode_keys.glsl"

// One new token over a quantized cache (KV2 … KV8): exact integer scores, an invocation a key; 16-bit codes of p; exact integer
// sums, an invocation a word of values and every SPLITS-th four tokens. See attention_integer.comp for the arithmetic. Loads that wait
// for nothing come first: the keys of the first WORKGROUP tokens before the token's own heads, values before the probabilities.
const uint SPLITS = WORKGROUP / HEAD_WORDS;
const uint VALUE_QUADS = 4u / PHASES;                           // fours of tokens in flight

shared uint queryWords[BYTE_WORDS];
shared uint valueWords[HEAD_WORDS];
shared uint highSums[HEAD_WORDS * CODES_PER_WORD];              // code i of word w at i·HEAD_WORDS + w
shared uint lowSums[HEAD_WORDS * CODES_PER_WORD];
shared uint keySum;
shared uint querySum;
shared vec2 headScale[3];                                       // and zero point of the token's query, key and value

const uint CODES = HEAD_WORDS * CODES_PER_WORD;
const uint STRETCH_SUMS = 2u * CODES + 3u;                      // of a stretch: high digits, low digits, totals

uvec4 valueBatch[VALUE_QUADS];

// Scale of k, zero point and sum of k, scale of v, zero point of v.
uvec4 loadParameters(uint t)
{
    uint plane = planeTokens(), at = tokenPlace(kvHead, t);
    return uvec4(parameters.v[at], parameters.v[plane + at], parameters.v[2u * plane + at], parameters.v[3u * plane + at]);
}

// The first batch is loaded already.
uint keyDot(uint t)
{
    uint sum = 0u;
    for (uint first = 0u; first < HEAD_WORDS; first += KEY_BATCH)
    {
        needKey(t, first);
        [[unroll]] for (uint i = 0u; i < KEY_BATCH; i++)
        {
            if (first + i < HEAD_WORDS)
            {
                [[unroll]] for (uint s = 0u; s < PHASES; s++)
                {
                    sum += dotPacked4x8EXT(queryWords[(first + i) * PHASES + s], (keyBatch[i] >> (s * FIELD_BITS)) & FIELD_MASK);
                }
            }
        }
    }

    return sum;
}

// A word of four tokens for each of VALUE_QUADS fours. Tokens past the last lie in the cache's last chunk and meet code 0.
void loadValues(uint word, uint firstQuad)
{
    [[unroll]] for (uint j = 0u; j < VALUE_QUADS; j++)
    {
        uint quad = firstQuad + j * SPLITS;
        if (quad < (end + 3u) / 4u)
        {
            // The token's own, which another workgroup may write now, is replaced later: a neighbour in its place.
            uint base = tokenPlace(kvHead, quad * 4u) * HEAD_WORDS + word, own = PART == PART_ALL ? now - quad * 4u : 4u;
            [[unroll]] for (uint i = 0u; i < 4u; i++)
            {
                valueBatch[j][i] = values.v[base + (i == own ? i ^ 1u : i) * HEAD_WORDS];
            }
        }
    }
}

void addValues(uint word, uint firstQuad, inout uint high[CODES_PER_WORD], inout uint low[CODES_PER_WORD])
{
    [[unroll]] for (uint j = 0u; j < VALUE_QUADS; j++)
    {
        uint quad = firstQuad + j * SPLITS;
        if (quad < (end + 3u) / 4u)
        {
            uvec4 codes = uvec4(loadScore(quad * 4u), loadScore(quad * 4u + 1u), loadScore(quad * 4u + 2u), loadScore(quad * 4u + 3u));
            uvec2 pairs = codes.xz | (codes.yw << 16);
            uvec2 lows = pairs & 0x00FF00FFu, highs = (pairs >> 8) & 0x00FF00FFu;
            uint lowDigits = (lows.x & 0xFFu) | ((lows.x >> 8) & 0xFF00u) | ((lows.y & 0xFFu) << 16) | ((lows.y & 0xFF0000u) << 8);
            uint highDigits = (highs.x & 0xFFu) | ((highs.x >> 8) & 0xFF00u) | ((highs.y & 0xFFu) << 16) | ((highs.y & 0xFF0000u) << 8);
            uvec4 packed = valueBatch[j];
            if (PART == PART_ALL && quad == now / 4u)
            {
                packed[now & 3u] = valueWords[word];
            }

            [[unroll]] for (uint s = 0u; s < PHASES; s++)
            {
                uvec4 v = turned((packed >> (s * FIELD_BITS)) & FIELD_MASK);
                [[unroll]] for (uint i = 0u; i < 4u; i++)
                {
                    high[s * 4u + i] += dotPacked4x8EXT(highDigits, v[i]);
                    low[s * 4u + i] += dotPacked4x8EXT(lowDigits, v[i]);
                }
            }
        }
    }
}

// The token's own query, key and value, to shared memory and, once a KV head, to the cache. Gives the query's scale, zero point and sum
// of codes, and the key's and value's parameters.
void prepareHeads(uint rowIndex, uint head, out uvec4 query, out uvec4 own)
{
    uint lane = gl_LocalInvocationIndex;
    uint first = rowIndex * (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    bool appends = head % (shape.heads / shape.kvHeads) == 0u && end > now;
    uint firstKey = first + shape.heads * HEAD_SIZE, firstValue = firstKey + shape.kvHeads * HEAD_SIZE;
    loadHeads(uint[3](first + head * HEAD_SIZE, firstKey + kvHead * HEAD_SIZE, firstValue + kvHead * HEAD_SIZE), now, HeadKinds(first, firstKey, 1u, 2u));
    findHeadRanges();
    for (uint i = lane; i < 3u * HEAD_WORDS; i += WORKGROUP)
    {
        uint which = i / HEAD_WORDS, word = i % HEAD_WORDS;
        float scale, inverse, zero;
        headQuantizer(which, scale, inverse, zero);
        uint packed = headWord(which, word, inverse, zero);
        if (word == 0u)
        {
            headScale[which] = vec2(scale, zero);
        }

        if (which == 0u)
        {
            atomicAdd(querySum, sumOfCodes(packed));
            for (uint s = 0u; s < PHASES; s++)
            {
                queryWords[word * PHASES + s] = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
            }
        }
        else if (which == 1u)
        {
            keyWords[word] = packed;
            atomicAdd(keySum, sumOfCodes(packed));
        }
        else
        {
            valueWords[word] = packed;
        }

        if (which > 0u && appends)
        {
            storeCached(which == 1u, tokenPlace(kvHead, now), word, packed);
        }
    }

    barrier();
    vec2 scale = vec2(headScale[1].x, headScale[2].x), zero = vec2(headScale[1].y, headScale[2].y);
    if (appends && lane == 0u)
    {
        uint place = tokenPlace(kvHead, now);
        storeParameters(true, place, scale.x, uint(zero.x), keySum);
        storeParameters(false, place, scale.y, uint(zero.y), 0u);
    }

    query = uvec4(floatBitsToUint(headScale[0].x), uint(headScale[0].y), querySum, 0u);
    own = uvec4(floatBitsToUint(scale.x), uint(zero.x) | keySum << 8, floatBitsToUint(scale.y), uint(zero.y));
}

// Leaves the stretch's sums; the last stretch of the head takes those of all, in shared memory and totals. Integers: in any order.
bool joinStretches(inout uvec3 totals)
{
    uint lane = gl_LocalInvocationIndex, base = partialBase + gl_WorkGroupID.z * STRETCH_SUMS;
    for (uint i = lane; i < CODES; i += WORKGROUP)
    {
        partialSums[base + i] = highSums[i];
        partialSums[base + CODES + i] = lowSums[i];
    }

    if (lane < 3u)
    {
        partialSums[base + 2u * CODES + lane] = totals[lane];
    }

    if (!isLastStretch())
    {
        return false;
    }

    for (uint i = lane; i < CODES; i += WORKGROUP)
    {
        uint high = 0u, low = 0u;
        for (uint z = 0u; z < gl_NumWorkGroups.z; z++)
        {
            high += partialSums[partialBase + z * STRETCH_SUMS + i];
            low += partialSums[partialBase + z * STRETCH_SUMS + CODES + i];
        }

        highSums[i] = high;
        lowSums[i] = low;
    }

    totals = uvec3(0u);
    for (uint z = 0u; z < gl_NumWorkGroups.z; z++)
    {
        uint at = partialBase + z * STRETCH_SUMS + 2u * CODES;
        totals += uvec3(partialSums[at], partialSums[at + 1u], partialSums[at + 2u]);
    }

    barrier();
    return true;
}

void main()
{
    uint lane = gl_LocalInvocationIndex;
    uint head = gl_WorkGroupID.x;
    uint rowIndex = gl_WorkGroupID.y;
    Row row = rows.v[rowIndex];
    kvHead = head / (shape.heads / shape.kvHeads);
    findPages(row);
    now = row.position;
    findStretch(rowIndex, head, now, MOST_STRETCHES * STRETCH_SUMS);
    uint first = begin + keyLane();
    uvec4 firstParameters;
    if (first < end)
    {
        if (PART != PART_SUMS)
        {
            loadKey(cachedKey(first), 0u);
        }

        firstParameters = loadParameters(PART == PART_SUMS ? first : cachedKey(first));
    }

    if (lane == 0u)
    {
        querySum = 0u;
        keySum = 0u;
    }

    for (uint i = lane; i < CODES; i += WORKGROUP)
    {
        highSums[i] = 0u;
        lowSums[i] = 0u;
    }

    uvec4 own;
    vec2 maximum;               // of the scores and of the values' scales
    if (PART != PART_SUMS)
    {
        uvec4 query;
        prepareHeads(rowIndex, head, query, own);
        maximum = vec2(-3.4e38, uintBitsToFloat(own.z));
        // Loads lie behind what they are for: a loop's code is there once.
        uvec4 p = firstParameters;
        for (uint t = first; t < end; t += WORKGROUP)
        {
            uint dot_ = keyDot(t);
            if (t == now)
            {
                p = own;
            }

            float score = integerScore(dot_, query, uintBitsToFloat(p.x), p.y);
            storeScore(t, floatBitsToUint(score));
            if (WINDOW == 0u || t >= seen)
            {
                maximum = max(maximum, vec2(score, uintBitsToFloat(p.z)));
            }

            if (t + WORKGROUP < end)
            {
                loadKey(cachedKey(t + WORKGROUP), 0u);
                p = loadParameters(cachedKey(t + WORKGROUP));
            }
        }
    }

    if (PART == PART_SCORES)
    {
        maximum = workgroupMaximum(maximum);
        if (lane == 0u)
        {
            storeMaxima(maximum);
        }

        return;
    }

    uint word = lane % HEAD_WORDS, split = lane / HEAD_WORDS;
    bool sums = split < SPLITS;
    if (sums)
    {
        loadValues(word, begin / 4u + split);
    }

    maximum = PART == PART_SUMS ? largestMaxima() : workgroupMaximum(maximum);

    // Codes of the probabilities, in place of the scores; 0 to the end of the last four tokens.
    float inverseScale = reciprocal(maximum.y);
    uvec3 totals = uvec3(0u);           // Σ p, Σ zero point · high digit, Σ zero point · low digit
    for (uint t = first; t < ((end + 3u) & ~3u); t += WORKGROUP)
    {
        uint code = 0u;
        if (t < end && (WINDOW == 0u || t >= seen))
        {
            uvec4 p = PART == PART_ALL && t == now ? own : t == first ? firstParameters : loadParameters(t);
            uint score = PART == PART_SUMS ? scratch.v[scratchBase + t - origin] : loadScore(t);
            code = probabilityCode(uintBitsToFloat(score), maximum.x, uintBitsToFloat(p.z), inverseScale, totals.x);
            totals.yz += uvec2(code >> 8, code & 255u) * p.w;
        }

        storeScore(t, code);
    }

    totals = workgroupAdd(totals);
    scoreBarrier();

    // Sums of code times value.
    uint high[CODES_PER_WORD], low[CODES_PER_WORD];
    [[unroll]] for (uint i = 0u; i < CODES_PER_WORD; i++)
    {
        high[i] = 0u;
        low[i] = 0u;
    }

    if (sums)
    {
        for (uint quad = begin / 4u + split; quad < (end + 3u) / 4u;)
        {
            addValues(word, quad, high, low);
            quad += SPLITS * VALUE_QUADS;
            loadValues(word, quad);
        }

        [[unroll]] for (uint i = 0u; i < CODES_PER_WORD; i++)
        {
            atomicAdd(highSums[i * HEAD_WORDS + word], high[i]);
            atomicAdd(lowSums[i * HEAD_WORDS + word], low[i]);
        }
    }

    barrier();
    if (PART == PART_SUMS && !joinStretches(totals))
    {
        return;
    }

    for (uint d = lane; d < HEAD_SIZE; d += WORKGROUP)
    {
        uint at = d % CODES_PER_WORD * HEAD_WORDS + d / CODES_PER_WORD;
        leaveAttended((rowIndex * shape.heads + head) * HEAD_SIZE + d,
            attendedValue(int(highSums[at] - totals.y), int(lowSums[at] - totals.z), maximum.y, reciprocal(float(totals.x))));
    }

    finishRow();
}

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
#include "probability_digits.glsl"
#include "digits.glsl"
const uint HEADS_AT_ONCE = 3u;
#include "heads.glsl"
#include "head_digits.glsl"
#include "cache.glsl"

// One new token over a 16-bit cache (docs/float-contract.md), SCORE_CAPACITY tokens at a time: exact scores, an invocation a key; codes
// relative to the largest contribution of each stretch of 64; exact sums, an invocation a word of values and a quarter of a stretch;
// stretches added ascending, an invocation a column. Codes need no other stretch, so that a split context takes one dispatch: each
// workgroup leaves its stretches' sums, and the last of a head adds them all.
const uint SEGMENT_CHUNKS = SCORE_CAPACITY / CHUNK;
layout(constant_id = 26) const bool LEAN = false;               // few registers: little in flight
const uint MOST_WORDS = LEAN ? 8u : 16u;
const uint BATCH = DIGIT_WORDS < MOST_WORDS ? DIGIT_WORDS : MOST_WORDS; // words of each digit of a key in flight
const uint PARTS = WORKGROUP > 256u ? 4u : 1u;                  // of a stretch in the sums, an invocation each where there are many
const uint PART_QUADS = CHUNK / 4u / PARTS;
const uint AHEAD_QUADS = 4u;                                    // fours of tokens in flight, LEAN: one
const uint COLUMN_STEPS = (HEAD_SIZE + WORKGROUP - 1u) / WORKGROUP;
const uint STRETCH_WORDS = HEAD_SIZE + 3u;                      // of a stretch in `scratch`: sums, maximum, largest contribution, Σ e

shared uint queryWords[HEAD_WORDS], keyWords[HEAD_WORDS], valueWords[HEAD_WORDS];
shared int stretchMaximum[SEGMENT_CHUNKS];                      // ordered
shared uint stretchLargest[SEGMENT_CHUNKS], stretchMass[SEGMENT_CHUNKS];
shared float headScale[3];                                      // of the token's query, key and value
shared DigitRow stretches[SEGMENT_CHUNKS];
shared uvec2 codeDigits[SCORE_CAPACITY / 4u];                   // high and low digits of four tokens' codes
shared int highSums[SEGMENT_CHUNKS * HEAD_SIZE];                // Σ c·v = 256·high + low of [stretch][column]
shared int lowSums[SEGMENT_CHUNKS * HEAD_SIZE];

uint lane = gl_LocalInvocationIndex;
uint kvHead, now, pairBase;
uint keyHigh[BATCH], keyLow[BATCH];
DigitRow carried;                                               // every invocation's own, all alike
float column[COLUMN_STEPS];                                     // what this invocation's columns have attended

void loadKey(uint t, uint firstWord)
{
    uint base = (chunkPlace(kvHead, t / CHUNK) * HEAD_WORDS + firstWord) * CHUNK + t % CHUNK;
    [[unroll]] for (uint i = 0u; i < BATCH; i++)
    {
        if (firstWord + i < DIGIT_WORDS)
        {
            keyHigh[i] = keys.v[base + i * CHUNK];
            keyLow[i] = keys.v[base + (DIGIT_WORDS + i) * CHUNK];
        }
    }
}

// The token's own query, key and value, to shared memory and, once a KV head, to the cache.
void prepareHeads(uint rowIndex, uint head)
{
    uint first = rowIndex * (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    bool appends = head % (shape.heads / shape.kvHeads) == 0u && end > now;
    uint firstKey = first + shape.heads * HEAD_SIZE, firstValue = firstKey + shape.kvHeads * HEAD_SIZE;
    loadHeads(uint[3](first + head * HEAD_SIZE, firstKey + kvHead * HEAD_SIZE, firstValue + kvHead * HEAD_SIZE), now, HeadKinds(first, firstKey, 1u, 2u));
    findHeadRanges();
    for (uint i = lane; i < 3u * HEAD_WORDS; i += WORKGROUP)
    {
        uint which = i / HEAD_WORDS, word = i % HEAD_WORDS;
        float scale, inverse;
        digitQuantizer(which, scale, inverse);
        uint packed = digitWord(which, word, inverse);
        if (word == 0u)
        {
            headScale[which] = scale;
            if (which > 0u && appends)
            {
                storeScale(which == 1u, tokenPlace(kvHead, now), scale);
            }
        }

        if (which == 0u)
        {
            queryWords[word] = packed;
        }
        else if (which == 1u)
        {
            keyWords[word] = packed;
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
}

// The token's own key is not read from the cache, where another workgroup may write it now: a neighbour in its place, which is replaced.
uint cachedKey(uint t)
{
    return t == now ? t ^ 1u : t;
}

float scoreOf(uint t, bool loaded)
{
    int hh = 0, hl = 0, ll = 0;
    for (uint first = 0u; first < DIGIT_WORDS; first += BATCH)
    {
        if (first > 0u || !loaded)
        {
            loadKey(cachedKey(t), first);
        }

        [[unroll]] for (uint i = 0u; i < BATCH; i++)
        {
            uint word = first + i;
            if (word < DIGIT_WORDS)
            {
                uint high = t == now ? keyWords[word] : keyHigh[i], low = t == now ? keyWords[DIGIT_WORDS + word] : keyLow[i];
                uint qh = queryWords[word], ql = queryWords[DIGIT_WORDS + word];
                hh += signedDot(qh, high);
                hl += signedDot(qh, low) + signedDot(ql, high);
                ll += signedDot(ql, low);
            }
        }
    }

    float keyScale = t == now ? headScale[1] : uintBitsToFloat(parameters.v[tokenPlace(kvHead, t)]);
    return digitScore(exactSum(hh, hl, ll), headScale[0], keyScale);
}

// Atomics of a stretch, one for all invocations of a subgroup that lies in it.
void raiseMaximum(uint chunk, int value)
{
    bool shares = true;
    if (subgroupAllEqual(chunk))
    {
        value = subgroupMax(value);
        shares = subgroupElect();
    }

    if (shares)
    {
        atomicMax(stretchMaximum[chunk], value);
    }
}

void addContribution(uint chunk, uint contribution, uint mass)
{
    bool shares = true;
    if (subgroupAllEqual(chunk))
    {
        contribution = subgroupMax(contribution);
        mass = subgroupAdd(mass);
        shares = subgroupElect();
    }

    if (shares)
    {
        atomicMax(stretchLargest[chunk], contribution);
        atomicAdd(stretchMass[chunk], mass);
    }
}

// Scores and maxima of a segment, then contributions in place of the scores, then digits of their codes, 0 to the end of the last stretch.
void findCodes(uint segment, uint last, bool firstLoaded)
{
    for (uint t = segment + keyLane(); t <= last; t += WORKGROUP)
    {
        float score = scoreOf(t, firstLoaded && t == segment + keyLane());
        uint chunk = (t - segment) / CHUNK;
        score = WINDOW == 0u || t >= seen ? score : BELOW_ALL_SCORES;
        scores[t - segment] = floatBitsToUint(score);
        raiseMaximum(chunk, ordered(score));
    }

    barrier();
    for (uint t = segment + keyLane(); t <= last; t += WORKGROUP)
    {
        uint chunk = (t - segment) / CHUNK, mass = 0u;
        float valueScale = t == now ? headScale[2] : uintBitsToFloat(parameters.v[planeTokens() + tokenPlace(kvHead, t)]);
        float contribution = contributionOf(uintBitsToFloat(scores[t - segment]), unordered(stretchMaximum[chunk]), valueScale, mass);
        if (WINDOW > 0u && t < seen)
        {
            contribution = 0.0;
            mass = 0u;
        }

        scores[t - segment] = floatBitsToUint(contribution);
        addContribution(chunk, floatBitsToUint(contribution), mass);
    }

    barrier();
    for (uint quad = lane; quad <= (last - segment | (CHUNK - 1u)) / 4u; quad += WORKGROUP)
    {
        float levels = levelsOf(uintBitsToFloat(stretchLargest[quad * 4u / CHUNK]));
        uvec4 code;
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint t = quad * 4u + j;
            code[j] = segment + t <= last ? contributionCode(uintBitsToFloat(scores[t]), levels) : 0u;
        }

        codeDigits[quad] = packSignedDigits(code);
    }

    barrier();
}

// A word of each digit of four tokens' values. Tokens past the last lie in the cache's last chunk and meet code 0.
void loadQuad(uint token, uint first, uint word, out uvec4 high, out uvec4 low)
{
    [[unroll]] for (uint j = 0u; j < 4u; j++)
    {
        uint t = token + j, at = (first + t % CHUNK) * HEAD_WORDS + word;
        high[j] = t == now ? valueWords[word] : values.v[at];
        low[j] = t == now ? valueWords[DIGIT_WORDS + word] : values.v[at + DIGIT_WORDS];
    }
}

void addQuad(uvec2 p, uvec4 high, uvec4 low, inout ivec4 hh, inout ivec4 hl, inout ivec4 ll)
{
    uvec4 h = turned(high), l = turned(low);
    [[unroll]] for (uint d = 0u; d < 4u; d++)
    {
        hh[d] += signedDot(p.x, h[d]);
        hl[d] += signedDot(p.x, l[d]) + signedDot(p.y, h[d]);
        ll[d] += signedDot(p.y, l[d]);
    }
}

// Exact sums of a segment's stretches.
void multiplyValues(uint segment, uint chunks)
{
    for (uint task = lane; task < chunks * DIGIT_WORDS * PARTS; task += WORKGROUP)
    {
        uint part = task % PARTS, word = task / PARTS % DIGIT_WORDS, chunk = task / PARTS / DIGIT_WORDS;
        uint first = chunkPlace(kvHead, segment / CHUNK + chunk) * CHUNK;
        ivec4 hh = ivec4(0), hl = ivec4(0), ll = ivec4(0);
        uint firstQuad = part * PART_QUADS, endQuad = firstQuad + PART_QUADS;
        if (LEAN)
        {
            [[dont_unroll]] for (uint quad = firstQuad; quad < endQuad; quad++)
            {
                uint token = chunk * CHUNK + quad * 4u;
                uvec4 high, low;
                loadQuad(segment + token, first, word, high, low);
                addQuad(codeDigits[token >> 2], high, low, hh, hl, ll);
            }
        }
        else
        {
            for (; firstQuad < endQuad; firstQuad += AHEAD_QUADS)
            {
                uint token = chunk * CHUNK + firstQuad * 4u;
                uvec4 high[AHEAD_QUADS], low[AHEAD_QUADS];
                [[unroll]] for (uint q = 0u; q < AHEAD_QUADS; q++)
                {
                    loadQuad(segment + token + q * 4u, first, word, high[q], low[q]);
                }

                [[unroll]] for (uint q = 0u; q < AHEAD_QUADS; q++)
                {
                    addQuad(codeDigits[(token >> 2) + q], high[q], low[q], hh, hl, ll);
                }
            }
        }

        for (uint d = 0u; d < 4u; d++)
        {
            uint at = chunk * HEAD_SIZE + word * 4u + d;
            if (PARTS == 1u)
            {
                highSums[at] = hh[d] * 256 + hl[d];
                lowSums[at] = ll[d];
            }
            else
            {
                atomicAdd(highSums[at], hh[d] * 256 + hl[d]);
                atomicAdd(lowSums[at], ll[d]);
            }
        }
    }
}

void clearStretches(uint chunks)
{
    for (uint i = lane; i < chunks; i += WORKGROUP)
    {
        stretchMaximum[i] = ordered(BELOW_ALL_SCORES);
        stretchLargest[i] = 0u;
        stretchMass[i] = 0u;
    }

    for (uint i = lane; PARTS > 1u && i < chunks * HEAD_SIZE; i += WORKGROUP)
    {
        highSums[i] = 0;
        lowSums[i] = 0;
    }
}

float sumOf(uint chunk, uint d)
{
    return exactSum(highSums[chunk * HEAD_SIZE + d], lowSums[chunk * HEAD_SIZE + d]);
}

// The factors of some stretches, an invocation each, and the row after them.
void findFactors(uint chunks)
{
    for (uint i = lane; i < chunks; i += WORKGROUP)
    {
        DigitRow row = DigitRow(carried.maximum, 0.0, 0.0, 0.0);
        for (uint j = 0u; j < i; j++)
        {
            row.maximum = max(row.maximum, unordered(stretchMaximum[j]));
        }

        addStretch(row, unordered(stretchMaximum[i]), uintBitsToFloat(stretchLargest[i]), stretchMass[i]);
        stretches[i] = row;         // total: what the stretch adds to it
    }

    barrier();
    for (uint i = 0u; i < chunks; i++)
    {
        precise float total = carried.total * stretches[i].old;
        total = total + stretches[i].total;
        carried.total = total;
    }

    carried.maximum = stretches[chunks - 1u].maximum;
}

// A segment's sums to what the columns have attended, ascending.
void addSegment(uint chunks)
{
    findFactors(chunks);
    for (uint i = 0u; i < chunks; i++)
    {
        DigitRow row = stretches[i];
        [[unroll]] for (uint s = 0u; s < COLUMN_STEPS; s++)
        {
            uint d = s * WORKGROUP + lane;
            if (d < HEAD_SIZE)
            {
                column[s] = addAttended(column[s], sumOf(i, d), row.old, row.unit);
            }
        }
    }
}

// The sums of a segment of a split context.
void leaveSegment(uint segment, uint chunks)
{
    uint base = pairBase + (segment - origin) / CHUNK * STRETCH_WORDS;
    for (uint i = lane; i < chunks * HEAD_SIZE; i += WORKGROUP)
    {
        partialSums[base + i / HEAD_SIZE * STRETCH_WORDS + i % HEAD_SIZE] = floatBitsToUint(sumOf(i / HEAD_SIZE, i % HEAD_SIZE));
    }

    for (uint i = lane; i < chunks; i += WORKGROUP)
    {
        uint at = base + i * STRETCH_WORDS + HEAD_SIZE;
        partialSums[at] = uint(stretchMaximum[i]);
        partialSums[at + 1u] = stretchLargest[i];
        partialSums[at + 2u] = stretchMass[i];
    }
}

// All stretches that the workgroups of a split context left, ascending.
void addAll()
{
    const uint AHEAD = 8u;
    uint all = (now - origin) / CHUNK + 1u;
    for (uint first = 0u; first < all; first += SEGMENT_CHUNKS)
    {
        uint chunks = min(SEGMENT_CHUNKS, all - first), base = pairBase + first * STRETCH_WORDS;
        barrier();
        for (uint i = lane; i < chunks; i += WORKGROUP)
        {
            uint at = base + i * STRETCH_WORDS + HEAD_SIZE;
            stretchMaximum[i] = int(partialSums[at]);
            stretchLargest[i] = partialSums[at + 1u];
            stretchMass[i] = partialSums[at + 2u];
        }

        barrier();
        findFactors(chunks);
        [[unroll]] for (uint s = 0u; s < COLUMN_STEPS; s++)
        {
            uint d = min(s * WORKGROUP + lane, HEAD_SIZE - 1u);
            for (uint start = 0u; start < chunks; start += AHEAD)
            {
                float next[AHEAD];
                [[unroll]] for (uint j = 0u; j < AHEAD; j++)
                {
                    next[j] = uintBitsToFloat(partialSums[base + min(start + j, chunks - 1u) * STRETCH_WORDS + d]);
                }

                [[unroll]] for (uint j = 0u; j < AHEAD; j++)
                {
                    if (start + j < chunks)
                    {
                        DigitRow row = stretches[start + j];
                        column[s] = addAttended(column[s], next[j], row.old, row.unit);
                    }
                }
            }
        }
    }
}

void main()
{
    uint head = gl_WorkGroupID.x;
    uint rowIndex = gl_WorkGroupID.y;
    Row row = rows.v[rowIndex];
    kvHead = head / (shape.heads / shape.kvHeads);
    findPages(row);
    now = row.position;
    findTokens(now);
    pairBase = (rowIndex * shape.heads + head) * seenChunks(shape) * STRETCH_WORDS;
    carried = DigitRow(BELOW_ALL_SCORES, 0.0, 0.0, 0.0);
    [[unroll]] for (uint s = 0u; s < COLUMN_STEPS; s++)
    {
        column[s] = 0.0;
    }

    // On its way while the token's own heads are rotated.
    if (begin + keyLane() < end)
    {
        loadKey(cachedKey(begin + keyLane()), 0u);
    }

    prepareHeads(rowIndex, head);
    for (uint segment = begin; segment < end; segment += SCORE_CAPACITY)
    {
        uint last = min(segment + SCORE_CAPACITY, end) - 1u, chunks = (last - segment) / CHUNK + 1u;
        barrier();
        clearStretches(chunks);
        barrier();
        findCodes(segment, last, segment == begin);
        multiplyValues(segment, chunks);
        barrier();
        if (PART == PART_ALL)
        {
            addSegment(chunks);
        }
        else
        {
            leaveSegment(segment, chunks);
        }
    }

    if (PART != PART_ALL)
    {
        if (!isLastStretch())
        {
            return;
        }

        addAll();
    }

    float inverse = reciprocal(carried.total);
    [[unroll]] for (uint s = 0u; s < COLUMN_STEPS; s++)
    {
        uint d = s * WORKGROUP + lane;
        if (d < HEAD_SIZE)
        {
            precise float v = column[s] * inverse;
            leaveAttended((rowIndex * shape.heads + head) * HEAD_SIZE + d, canonical(v));
        }
    }

    finishRow();
}

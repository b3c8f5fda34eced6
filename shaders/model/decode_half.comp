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
#include "heads.glsl"
#include "cache.glsl"
#include "decode_keys.glsl"

// One new token over a half-precision cache: an invocation a key for the scores, an invocation a pair of columns and a chunk of
// 64 keys for the sums, chunks added ascending. See attention_half.comp for the arithmetic. Loads that wait for nothing come first.
const uint SLOTS = WORKGROUP / HEAD_WORDS;      // chunks summed at a time
const uint BATCH = 16u;                         // values in flight

shared uint valueWords[HEAD_WORDS];
shared float chunkSums[SLOTS * HEAD_SIZE];
shared float chunkTotals[SLOTS];

uint valueBatch[BATCH];

const uint CHUNK_SUMS = HEAD_SIZE + 1u;         // of a chunk in a split attention: Σp·v, Σp

// The token's own query, key and value, to shared memory and, once a KV head, to the cache.
void prepareHeads(uint rowIndex, uint head, uint kvHead)
{
    uint first = rowIndex * (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    bool appends = head % (shape.heads / shape.kvHeads) == 0u && end > now;
    loadHeads(uint[3](first + head * HEAD_SIZE, first + (shape.heads + kvHead) * HEAD_SIZE, first + (shape.heads + shape.kvHeads + kvHead) * HEAD_SIZE), now, ROTARY ? 2u : 0u);
    for (uint i = gl_LocalInvocationIndex; i < 2u * HEAD_WORDS; i += WORKGROUP)
    {
        bool isKey = i < HEAD_WORDS;
        uint word = i % HEAD_WORDS, at = (isKey ? 1u : 2u) * HEAD_SIZE + word * 2u;
        uint pair = floatToHalf(headValues[at]) | floatToHalf(headValues[at + 1u]) << 16;
        if (isKey)
        {
            keyWords[word] = pair;
        }
        else
        {
            valueWords[word] = pair;
        }

        if (appends)
        {
            storeCached(isKey, slot, now, word, pair);
        }
    }

    barrier();
}

float scoreOf(uint t, bool loaded)
{
    precise float s = 0.0;
    for (uint first = 0u; first < HEAD_WORDS; first += KEY_BATCH)
    {
        needKey(t, first, loaded);
        [[unroll]] for (uint i = 0u; i < KEY_BATCH; i++)
        {
            uint word = first + i;
            if (word < HEAD_WORDS)
            {
                precise float a = headValues[word * 2u] * halfToFloat(keyBatch[i] & 0xFFFFu);
                s = s + a;
                precise float b = headValues[word * 2u + 1u] * halfToFloat(keyBatch[i] >> 16);
                s = s + b;
            }
        }
    }

    s = s * SCORE_SCALE;
    return canonical(s);
}

// BATCH tokens of one pair of columns; tokens past the last lie in the cache's last chunk and count with p = 0.
void loadValues(uint firstToken, uint pair)
{
    [[unroll]] for (uint j = 0u; j < BATCH; j++)
    {
        valueBatch[j] = values.v[(slot * shape.chunks * CHUNK + firstToken + j) * HEAD_WORDS + pair];
    }
}

void storeChunk(uint chunk, uint pair, vec3 sums)
{
    uint base = partialBase + chunk * CHUNK_SUMS;
    partialSums[base + pair * 2u] = floatBitsToUint(sums.x);
    partialSums[base + pair * 2u + 1u] = floatBitsToUint(sums.y);
    if (pair == 0u)
    {
        partialSums[base + HEAD_SIZE] = floatBitsToUint(sums.z);
    }
}

// All chunks' sums of a pair of columns, and the total, added ascending; +0 past the last changes no sum.
vec3 addChunks(uint pair)
{
    const uint AHEAD = 8u;
    precise vec3 sums = vec3(0.0);
    for (uint first = 0u; first <= now / CHUNK; first += AHEAD)
    {
        vec3 next[AHEAD];
        [[unroll]] for (uint j = 0u; j < AHEAD; j++)
        {
            uint base = partialBase + min(first + j, now / CHUNK) * CHUNK_SUMS;
            vec3 v = uintBitsToFloat(uvec3(partialSums[base + pair * 2u], partialSums[base + pair * 2u + 1u], partialSums[base + HEAD_SIZE]));
            next[j] = first + j <= now / CHUNK ? v : vec3(0.0);
        }

        [[unroll]] for (uint j = 0u; j < AHEAD; j++)
        {
            sums = sums + next[j];
        }
    }

    return sums;
}

void main()
{
    uint lane = gl_LocalInvocationIndex;
    uint head = gl_WorkGroupID.x;
    uint rowIndex = gl_WorkGroupID.y;
    Row row = rows.v[rowIndex];
    uint kvHead = head / (shape.heads / shape.kvHeads);
    slot = slotOf(shape, row.sequence, kvHead);
    now = row.position;
    findStretch(rowIndex, head, now, shape.chunks * CHUNK_SUMS);
    uint first = begin + lane;
    float maximum = -3.4e38;
    if (PART != PART_SUMS)
    {
        if (first < end)
        {
            loadKey(first, 0u);
        }

        prepareHeads(rowIndex, head, kvHead);
        for (uint t = first; t < end; t += WORKGROUP)
        {
            float score = scoreOf(t, t == first);
            storeScore(t, floatBitsToUint(score));
            maximum = max(maximum, score);
        }
    }

    if (PART == PART_SCORES)
    {
        maximum = workgroupMaximum(vec2(maximum)).x;
        if (lane == 0u)
        {
            storeMaxima(vec2(maximum));
        }

        return;
    }

    uint pair = lane % HEAD_WORDS, chunkSlot = lane / HEAD_WORDS;
    uint chunkEnd = (end + CHUNK - 1u) / CHUNK;
    bool loaded = chunkSlot < SLOTS && begin / CHUNK + chunkSlot < chunkEnd;
    if (loaded)
    {
        loadValues(begin + chunkSlot * CHUNK, pair);
    }

    maximum = PART == PART_SUMS ? largestMaxima().x : workgroupMaximum(vec2(maximum)).x;
    for (uint t = first; t < end; t += WORKGROUP)
    {
        precise float below = uintBitsToFloat(PART == PART_SUMS ? scratch.v[scratchBase + t] : loadScore(t)) - maximum;
        storeScore(t, floatBitsToUint(contractExp(below)));
    }

    scoreBarrier();
    precise float total = 0.0, even = 0.0, odd = 0.0;
    for (uint firstChunk = begin / CHUNK; firstChunk < chunkEnd; firstChunk += SLOTS)
    {
        uint chunk = firstChunk + chunkSlot;
        if (chunkSlot < SLOTS && chunk < chunkEnd)
        {
            precise float a = 0.0, b = 0.0, l = 0.0;
            uint last = min(now, chunk * CHUNK + CHUNK - 1u);
            for (uint start = chunk * CHUNK; start <= last; start += BATCH)
            {
                if (!loaded)
                {
                    loadValues(start, pair);
                }

                loaded = false;
                [[unroll]] for (uint j = 0u; j < BATCH; j++)
                {
                    // p = 0 changes no bit of a sum: the sums are never -0, and halves are finite.
                    uint t = start + j, v = PART == PART_SUMS || t < now ? valueBatch[j] : valueWords[pair];
                    float p = t <= last ? uintBitsToFloat(loadScore(t)) : 0.0;
                    precise float pa = p * halfToFloat(v & 0xFFFFu);
                    a = a + pa;
                    precise float pb = p * halfToFloat(v >> 16);
                    b = b + pb;
                    l = l + p;
                }
            }

            if (PART == PART_SUMS)
            {
                storeChunk(chunk, pair, vec3(a, b, l));
            }
            else
            {
                chunkSums[chunkSlot * HEAD_SIZE + pair * 2u] = a;
                chunkSums[chunkSlot * HEAD_SIZE + pair * 2u + 1u] = b;
                if (pair == 0u)
                {
                    chunkTotals[chunkSlot] = l;
                }
            }
        }

        if (PART == PART_ALL)
        {
            barrier();
            if (lane < HEAD_WORDS)
            {
                for (uint i = 0u; i < min(SLOTS, chunkEnd - firstChunk); i++)
                {
                    even = even + chunkSums[i * HEAD_SIZE + lane * 2u];
                    odd = odd + chunkSums[i * HEAD_SIZE + lane * 2u + 1u];
                    total = total + chunkTotals[i];
                }
            }

            barrier();
        }
    }

    if (PART == PART_SUMS)
    {
        if (!isLastStretch())
        {
            return;
        }

        if (lane < HEAD_WORDS)
        {
            vec3 sums = addChunks(lane);
            even = sums.x;
            odd = sums.y;
            total = sums.z;
        }
    }

    if (lane < HEAD_WORDS)
    {
        float inverse = reciprocal(total);
        uint at = (rowIndex * shape.heads + head) * HEAD_SIZE + lane * 2u;
        precise float a = even * inverse;
        precise float b = odd * inverse;
        attended.v[at] = canonical(a);
        attended.v[at + 1u] = canonical(b);
    }

    finishRow();
}

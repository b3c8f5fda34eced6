#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
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

// One new token over a half-precision cache: an invocation a key for the scores, an invocation a pair of columns and a chunk of
// 64 keys for the sums, chunks added ascending. See attention_half.comp for the arithmetic.
const uint SLOTS = WORKGROUP / HEAD_WORDS;      // chunks summed at a time
const uint BATCH = 8u;

shared uint keyWords[HEAD_WORDS];
shared uint valueWords[HEAD_WORDS];
shared float chunkSums[SLOTS * HEAD_SIZE];
shared float chunkTotals[SLOTS];

void main()
{
    uint lane = gl_LocalInvocationIndex;
    uint head = gl_WorkGroupID.x;
    uint rowIndex = gl_WorkGroupID.y;
    Row row = arguments.rows.v[rowIndex];
    uint groupHeads = shape.heads / shape.kvHeads;
    uint kvHead = head / groupHeads;
    uint slot = slotOf(shape, row.sequence, kvHead);
    uint now = row.position;
    uint first = rowIndex * (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    bool appends = head % groupHeads == 0u;
    scratchBase = (rowIndex * shape.heads + head) * shape.chunks * CHUNK;

    loadHeads(uint[3](first + head * HEAD_SIZE, first + (shape.heads + kvHead) * HEAD_SIZE, first + (shape.heads + shape.kvHeads + kvHead) * HEAD_SIZE), now, ROTARY ? 2u : 0u);
    for (uint i = lane; i < 2u * HEAD_WORDS; i += WORKGROUP)
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
    float maximum = -3.4e38;
    for (uint t = lane; t <= now; t += WORKGROUP)
    {
        uint base = (slot * shape.chunks + t / CHUNK) * HEAD_WORDS * CHUNK + t % CHUNK;
        precise float s = 0.0;
        [[unroll]] for (uint word = 0u; word < HEAD_WORDS; word++)
        {
            uint pair = t == now ? keyWords[word] : keys.v[base + word * CHUNK];
            precise float a = headValues[word * 2u] * halfToFloat(pair & 0xFFFFu);
            s = s + a;
            precise float b = headValues[word * 2u + 1u] * halfToFloat(pair >> 16);
            s = s + b;
        }

        s = s * SCORE_SCALE;
        float score = canonical(s);
        storeScore(t, floatBitsToUint(score));
        maximum = max(maximum, score);
    }

    maximum = workgroupMaximum(maximum);
    for (uint t = lane; t <= now; t += WORKGROUP)
    {
        precise float below = uintBitsToFloat(loadScore(t)) - maximum;
        storeScore(t, floatBitsToUint(contractExp(below)));
    }

    scoreBarrier();
    uint pair = lane % HEAD_WORDS, chunkSlot = lane / HEAD_WORDS;
    uint chunkCount = now / CHUNK + 1u;
    precise float total = 0.0, even = 0.0, odd = 0.0;
    for (uint firstChunk = 0u; firstChunk < chunkCount; firstChunk += SLOTS)
    {
        uint chunk = firstChunk + chunkSlot;
        if (chunkSlot < SLOTS && chunk < chunkCount)
        {
            precise float a = 0.0, b = 0.0, l = 0.0;
            uint end = min(now, chunk * CHUNK + CHUNK - 1u);

            // BATCH loads in flight; tokens past the end count with p = 0, which changes no bit.
            for (uint start = chunk * CHUNK; start <= end; start += BATCH)
            {
                uint v[BATCH];
                [[unroll]] for (uint j = 0u; j < BATCH; j++)
                {
                    uint t = start + j;
                    v[j] = t >= now ? valueWords[pair] : values.v[(slot * shape.chunks * CHUNK + t) * HEAD_WORDS + pair];
                }

                [[unroll]] for (uint j = 0u; j < BATCH; j++)
                {
                    float p = start + j <= end ? uintBitsToFloat(loadScore(start + j)) : 0.0;
                    precise float pa = p * halfToFloat(v[j] & 0xFFFFu);
                    a = a + pa;
                    precise float pb = p * halfToFloat(v[j] >> 16);
                    b = b + pb;
                    l = l + p;
                }
            }

            chunkSums[chunkSlot * HEAD_SIZE + pair * 2u] = a;
            chunkSums[chunkSlot * HEAD_SIZE + pair * 2u + 1u] = b;
            if (pair == 0u)
            {
                chunkTotals[chunkSlot] = l;
            }
        }

        barrier();
        if (lane < HEAD_WORDS)
        {
            for (uint i = 0u; i < min(SLOTS, chunkCount - firstChunk); i++)
            {
                even = even + chunkSums[i * HEAD_SIZE + lane * 2u];
                odd = odd + chunkSums[i * HEAD_SIZE + lane * 2u + 1u];
                total = total + chunkTotals[i];
            }
        }

        barrier();
    }

    if (lane < HEAD_WORDS)
    {
        float inverse = reciprocal(total);
        uint at = (rowIndex * shape.heads + head) * HEAD_SIZE + lane * 2u;
        precise float a = even * inverse;
        precise float b = odd * inverse;
        arguments.attended.v[at] = canonical(a);
        arguments.attended.v[at + 1u] = canonical(b);
    }

    finishRow();
}

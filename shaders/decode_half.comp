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
#include "heads.glsl"
#include "cache.glsl"

// One new token over a half-precision cache: an invocation a key for the scores, an invocation a pair of columns and a chunk of
// 64 keys for the sums, chunks added ascending. See attention_half.comp for the arithmetic.
const uint SLOTS = WORKGROUP / HEAD_WORDS;      // chunks summed at a time

shared float query[HEAD_SIZE];
shared uint keyWords[HEAD_WORDS];
shared uint valueWords[HEAD_WORDS];
shared float chunkSums[SLOTS * HEAD_SIZE];
shared float chunkTotals[SLOTS];

uint halves(uint pair)
{
    return floatToHalf(headValues[pair * 2u]) | floatToHalf(headValues[pair * 2u + 1u]) << 16;
}

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

    loadHead(first + head * HEAD_SIZE, now, ROTARY);
    for (uint i = lane; i < HEAD_SIZE; i += WORKGROUP)
    {
        query[i] = headValues[i];
    }

    loadHead(first + (shape.heads + kvHead) * HEAD_SIZE, now, ROTARY);
    for (uint word = lane; word < HEAD_WORDS; word += WORKGROUP)
    {
        keyWords[word] = halves(word);
        if (appends)
        {
            storeCached(true, slot, now, word, keyWords[word]);
        }
    }

    loadHead(first + (shape.heads + shape.kvHeads + kvHead) * HEAD_SIZE, now, false);
    for (uint word = lane; word < HEAD_WORDS; word += WORKGROUP)
    {
        valueWords[word] = halves(word);
        if (appends)
        {
            storeCached(false, slot, now, word, valueWords[word]);
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
            precise float a = query[word * 2u] * halfToFloat(pair & 0xFFFFu);
            s = s + a;
            precise float b = query[word * 2u + 1u] * halfToFloat(pair >> 16);
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
            for (uint t = chunk * CHUNK; t <= end; t++)
            {
                uint v = t == now ? valueWords[pair] : values.v[(slot * shape.chunks * CHUNK + t) * HEAD_WORDS + pair];
                float p = uintBitsToFloat(loadScore(t));
                precise float pa = p * halfToFloat(v & 0xFFFFu);
                a = a + pa;
                precise float pb = p * halfToFloat(v >> 16);
                b = b + pb;
                l = l + p;
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

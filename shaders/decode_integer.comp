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

// One new token over a quantized cache (KV2 … KV8): exact integer scores, an invocation a key; 16-bit codes of p; exact integer
// sums, an invocation a word of values and every SPLITS-th token. See attention_integer.comp for the arithmetic.
const uint SPLITS = WORKGROUP / HEAD_WORDS;
const uint BATCH = 8u;

shared uint queryWords[BYTE_WORDS];
shared uint keyWords[HEAD_WORDS];
shared uint valueWords[HEAD_WORDS];
shared uint highSums[HEAD_SIZE];
shared uint lowSums[HEAD_SIZE];
shared uint keySum;
shared uint querySum;

void main()
{
    uint lane = gl_LocalInvocationIndex;
    uint head = gl_WorkGroupID.x;
    uint rowIndex = gl_WorkGroupID.y;
    Row row = arguments.rows.v[rowIndex];
    uint groupHeads = shape.heads / shape.kvHeads;
    uint kvHead = head / groupHeads;
    uint slot = slotOf(shape, row.sequence, kvHead);
    uint t0 = slot * shape.chunks * CHUNK;
    uint plane = shape.slots * shape.chunks * CHUNK;
    uint now = row.position;
    uint first = rowIndex * (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    bool appends = head % groupHeads == 0u;
    scratchBase = (rowIndex * shape.heads + head) * shape.chunks * CHUNK;
    if (lane == 0u)
    {
        querySum = 0u;
        keySum = 0u;
    }

    for (uint i = lane; i < HEAD_SIZE; i += WORKGROUP)
    {
        highSums[i] = 0u;
        lowSums[i] = 0u;
    }

    // The token's own query, key and value.
    loadHeads(uint[3](first + head * HEAD_SIZE, first + (shape.heads + kvHead) * HEAD_SIZE, first + (shape.heads + shape.kvHeads + kvHead) * HEAD_SIZE), now, ROTARY ? 2u : 0u);
    findHeadRanges();
    float queryScale, keyScale, valueScale, queryInverse, keyInverse, valueInverse, queryZero, keyZero, valueZero;
    headQuantizer(0u, queryScale, queryInverse, queryZero);
    headQuantizer(1u, keyScale, keyInverse, keyZero);
    headQuantizer(2u, valueScale, valueInverse, valueZero);
    for (uint i = lane; i < 3u * HEAD_WORDS; i += WORKGROUP)
    {
        uint which = i / HEAD_WORDS, word = i % HEAD_WORDS;
        if (which == 0u)
        {
            uint packed = headWord(0u, word, queryInverse, queryZero);
            atomicAdd(querySum, sumOfCodes(packed));
            for (uint s = 0u; s < PHASES; s++)
            {
                queryWords[word * PHASES + s] = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
            }
        }
        else
        {
            bool isKey = which == 1u;
            uint packed = headWord(which, word, isKey ? keyInverse : valueInverse, isKey ? keyZero : valueZero);
            if (isKey)
            {
                keyWords[word] = packed;
                atomicAdd(keySum, sumOfCodes(packed));
            }
            else
            {
                valueWords[word] = packed;
            }

            if (appends)
            {
                storeCached(isKey, slot, now, word, packed);
            }
        }
    }

    barrier();
    if (appends && lane == 0u)
    {
        storeParameters(true, slot, now, keyScale, uint(keyZero), keySum);
        storeParameters(false, slot, now, valueScale, uint(valueZero), 0u);
    }

    // Scores.
    uvec4 query = uvec4(floatBitsToUint(queryScale), uint(queryZero), querySum, 0u);
    float maximum = -3.4e38, maximumScale = valueScale;
    for (uint t = lane; t <= now; t += WORKGROUP)
    {
        bool own = t == now;
        uint dot_ = 0u;
        uint base = (slot * shape.chunks + t / CHUNK) * HEAD_WORDS * CHUNK + t % CHUNK;
        [[unroll]] for (uint word = 0u; word < HEAD_WORDS; word++)
        {
            uint packed = own ? keyWords[word] : keys.v[base + word * CHUNK];
            [[unroll]] for (uint s = 0u; s < PHASES; s++)
            {
                dot_ += dotPacked4x8EXT(queryWords[word * PHASES + s], (packed >> (s * FIELD_BITS)) & FIELD_MASK);
            }
        }

        float scale = own ? keyScale : uintBitsToFloat(parameters.v[t0 + t]);
        uint zeroAndSum = own ? uint(keyZero) | keySum << 8 : parameters.v[plane + t0 + t];
        float score = integerScore(dot_, query, scale, zeroAndSum);
        storeScore(t, floatBitsToUint(score));
        maximum = max(maximum, score);
        maximumScale = max(maximumScale, own ? valueScale : uintBitsToFloat(parameters.v[2u * plane + t0 + t]));
    }

    maximum = workgroupMaximum(maximum);
    maximumScale = workgroupMaximum(maximumScale);

    // Codes of the probabilities, in place of the scores.
    float inverseScale = reciprocal(maximumScale);
    uint total = 0u, highZero = 0u, lowZero = 0u;
    for (uint t = lane; t <= now; t += WORKGROUP)
    {
        bool own = t == now;
        float scale = own ? valueScale : uintBitsToFloat(parameters.v[2u * plane + t0 + t]);
        uint zero = own ? uint(valueZero) : parameters.v[3u * plane + t0 + t];
        uint code = probabilityCode(uintBitsToFloat(loadScore(t)), maximum, scale, inverseScale, total);
        storeScore(t, code);
        highZero += (code >> 8) * zero;
        lowZero += (code & 255u) * zero;
    }

    total = workgroupAdd(total);
    highZero = workgroupAdd(highZero);
    lowZero = workgroupAdd(lowZero);
    scoreBarrier();

    // Sums of code times value.
    uint word = lane % HEAD_WORDS;
    uint high[CODES_PER_WORD], low[CODES_PER_WORD];
    [[unroll]] for (uint i = 0u; i < CODES_PER_WORD; i++)
    {
        high[i] = 0u;
        low[i] = 0u;
    }

    if (lane < SPLITS * HEAD_WORDS)
    {
        // BATCH loads in flight; tokens past the end count with code 0.
        for (uint start = lane / HEAD_WORDS; start <= now; start += SPLITS * BATCH)
        {
            uint packed[BATCH];
            [[unroll]] for (uint j = 0u; j < BATCH; j++)
            {
                uint t = start + j * SPLITS;
                packed[j] = t >= now ? valueWords[word] : values.v[(t0 + t) * HEAD_WORDS + word];
            }

            [[unroll]] for (uint j = 0u; j < BATCH; j++)
            {
                uint t = start + j * SPLITS;
                uint code = t <= now ? loadScore(t) : 0u;
                [[unroll]] for (uint i = 0u; i < CODES_PER_WORD; i++)
                {
                    uint v = (packed[j] >> ((i & 3u) * 8u + (i >> 2) * FIELD_BITS)) & ((1u << FIELD_BITS) - 1u);
                    high[i] += (code >> 8) * v;
                    low[i] += (code & 255u) * v;
                }
            }
        }

        [[unroll]] for (uint i = 0u; i < CODES_PER_WORD; i++)
        {
            uint d = word * CODES_PER_WORD + i;
            if (d < HEAD_SIZE)
            {
                atomicAdd(highSums[d], high[i]);
                atomicAdd(lowSums[d], low[i]);
            }
        }
    }

    barrier();
    for (uint d = lane; d < HEAD_SIZE; d += WORKGROUP)
    {
        arguments.attended.v[(rowIndex * shape.heads + head) * HEAD_SIZE + d] =
            attendedValue(int(highSums[d] - highZero), int(lowSums[d] - lowZero), maximumScale, total);
    }

    finishRow();
}

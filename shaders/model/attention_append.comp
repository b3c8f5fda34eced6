#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Rotates queries and keys of every row and appends keys and values to the cache: workgroup (four head slots, row), slots being the
// query heads, then key heads, then value heads. Half-precision caches: rotated queries go back in place. Quantized caches:
// query codes go to `queries` at one byte a code, with scale, zero point and sum of codes.
layout(push_constant) uniform Push
{
    InRows rows;
    Floats qkv;
    InFloats rotary;
    Words keys;
    Words values;
    Words parameters;
    Words queries;
    Vectors queryParameters;
    AttentionShape shape;
};

const uint HEADS_AT_ONCE = 4u;
#include "heads.glsl"
#include "cache.glsl"

shared uint codeSum[HEADS_AT_ONCE];

uint firstSlot;

bool isQuery(uint i)
{
    return firstSlot + i < shape.heads;
}

bool isKey(uint i)
{
    return !isQuery(i) && firstSlot + i < shape.heads + shape.kvHeads;
}

// Where head i of this workgroup, a key or a value, lies in the cache.
uint cacheSlot(uint i, uint sequence)
{
    return slotOf(shape, sequence, firstSlot + i - shape.heads - (isKey(i) ? 0u : shape.kvHeads));
}

void appendHalves(Row row, uint first, uint count)
{
    for (uint i = gl_LocalInvocationIndex; i < count * HEAD_SIZE; i += WORKGROUP)
    {
        uint head = i / HEAD_SIZE, d = i % HEAD_SIZE;
        if (isQuery(head))
        {
            qkv.v[first + i] = headValues[i];
        }
        else if ((d & 1u) == 0u)
        {
            storeCached(isKey(head), cacheSlot(head, row.sequence), row.position, d >> 1, floatToHalf(headValues[i]) | floatToHalf(headValues[i + 1u]) << 16);
        }
    }
}

void appendCodes(Row row, uint count)
{
    float scale, inverse, zero;
    uint rowIndex = gl_WorkGroupID.y;
    findHeadRanges();
    for (uint i = gl_LocalInvocationIndex; i < count * HEAD_WORDS; i += WORKGROUP)
    {
        uint head = i / HEAD_WORDS, word = i % HEAD_WORDS;
        headQuantizer(head, scale, inverse, zero);
        uint packed = headWord(head, word, inverse, zero), sum = sumOfCodes(packed);
        bool shares = true;
        if (subgroupAllEqual(head))
        {
            sum = subgroupAdd(sum);
            shares = subgroupElect();
        }

        if (shares)
        {
            atomicAdd(codeSum[head], sum);
        }

        if (isQuery(head))
        {
            for (uint s = 0u; s < PHASES; s++)
            {
                queries.v[(rowIndex * shape.heads + firstSlot + head) * BYTE_WORDS + word * PHASES + s] = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
            }
        }
        else
        {
            storeCached(isKey(head), cacheSlot(head, row.sequence), row.position, word, packed);
        }
    }

    barrier();
    for (uint head = gl_LocalInvocationIndex; head < count; head += WORKGROUP)
    {
        headQuantizer(head, scale, inverse, zero);
        if (isQuery(head))
        {
            queryParameters.v[rowIndex * shape.heads + firstSlot + head] = uvec4(floatBitsToUint(scale), uint(zero), codeSum[head], 0u);
        }
        else
        {
            storeParameters(isKey(head), cacheSlot(head, row.sequence), row.position, scale, uint(zero), codeSum[head]);
        }
    }
}

void main()
{
    Row row = rows.v[gl_WorkGroupID.y];
    uint slots = shape.heads + 2u * shape.kvHeads;
    firstSlot = gl_WorkGroupID.x * HEADS_AT_ONCE;
    uint count = min(HEADS_AT_ONCE, slots - firstSlot);
    for (uint i = gl_LocalInvocationIndex; i < HEADS_AT_ONCE; i += WORKGROUP)
    {
        codeSum[i] = 0u;
    }

    // Past the last slot the last one is loaded again and goes nowhere.
    uint first[HEADS_AT_ONCE];
    for (uint i = 0u; i < HEADS_AT_ONCE; i++)
    {
        first[i] = (gl_WorkGroupID.y * slots + firstSlot + min(i, count - 1u)) * HEAD_SIZE;
    }

    loadHeads(first, row.position, ROTARY ? shape.heads + shape.kvHeads - min(firstSlot, shape.heads + shape.kvHeads) : 0u);
    if (KV_BITS == 16u)
    {
        appendHalves(row, first[0], count);
    }
    else
    {
        appendCodes(row, count);
    }
}

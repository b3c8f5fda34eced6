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

// Rotates queries and keys of every row and appends keys and values to the cache: workgroup (head slot, row), slots being the
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

const uint HEADS_AT_ONCE = 1u;
#include "heads.glsl"
#include "cache.glsl"

shared uint codeSum;

void main()
{
    uint rowIndex = gl_WorkGroupID.y;
    Row row = rows.v[rowIndex];
    uint head = gl_WorkGroupID.x;
    bool isQuery = head < shape.heads;
    bool isKey = !isQuery && head < shape.heads + shape.kvHeads;
    uint stride = (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE;
    uint first = rowIndex * stride + head * HEAD_SIZE;
    uint kvHead = isKey ? head - shape.heads : head - shape.heads - shape.kvHeads;
    uint slot = slotOf(shape, row.sequence, kvHead);
    uint t = row.position;

    if (gl_LocalInvocationIndex == 0u)
    {
        codeSum = 0u;
    }

    loadHeads(uint[1](first), row.position, ROTARY && (isQuery || isKey) ? 1u : 0u);
    if (KV_BITS == 16u)
    {
        for (uint i = gl_LocalInvocationIndex; i < HEAD_SIZE; i += WORKGROUP)
        {
            if (isQuery)
            {
                qkv.v[first + i] = headValues[i];
            }
            else if ((i & 1u) == 0u)
            {
                storeCached(isKey, slot, t, i >> 1, floatToHalf(headValues[i]) | floatToHalf(headValues[i + 1u]) << 16);
            }
        }

        return;
    }

    float scale, inverse, zero;
    findHeadRanges();
    headQuantizer(0u, scale, inverse, zero);
    for (uint word = gl_LocalInvocationIndex; word < HEAD_WORDS; word += WORKGROUP)
    {
        uint packed = headWord(0u, word, inverse, zero);
        atomicAdd(codeSum, sumOfCodes(packed));
        if (isQuery)
        {
            for (uint s = 0u; s < PHASES; s++)
            {
                queries.v[(rowIndex * shape.heads + head) * BYTE_WORDS + word * PHASES + s] = (packed >> (s * FIELD_BITS)) & FIELD_MASK;
            }
        }
        else
        {
            storeCached(isKey, slot, t, word, packed);
        }
    }

    barrier();
    if (gl_LocalInvocationIndex == 0u)
    {
        if (isQuery)
        {
            queryParameters.v[rowIndex * shape.heads + head] = uvec4(floatBitsToUint(scale), uint(zero), codeSum, 0u);
        }
        else
        {
            storeParameters(isKey, slot, t, scale, uint(zero), codeSum);
        }
    }
}

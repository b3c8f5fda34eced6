#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Appends to a 2 … 8-bit cache (append.glsl). Query codes go to `queries` at one byte a code, with scale, zero point and sum of codes.
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
    InFloats queryGain;
    InFloats keyGain;
    AttentionShape shape;
};

const uint HEADS_AT_ONCE = 4u;
#include "new_heads.glsl"
#include "fields.glsl"
#include "heads.glsl"
#include "head_codes.glsl"
#include "pages.glsl"
#include "cache.glsl"
#include "append.glsl"

void appendHeads(Row row, uint count)
{
    float scale, inverse, zero;
    uint rowIndex = gl_WorkGroupID.y;
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
            atomicAdd(headSum[head], sum);
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
            storeCached(isKey(head), cachePlace(head, row), word, packed);
        }
    }

    barrier();
    for (uint head = gl_LocalInvocationIndex; head < count; head += WORKGROUP)
    {
        headQuantizer(head, scale, inverse, zero);
        if (isQuery(head))
        {
            queryParameters.v[rowIndex * shape.heads + firstSlot + head] = uvec4(floatBitsToUint(scale), uint(zero), headSum[head], 0u);
        }
        else
        {
            storeParameters(isKey(head), cachePlace(head, row), scale, uint(zero), headSum[head]);
        }
    }
}

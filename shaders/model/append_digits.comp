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

// Appends to a 16-bit cache (append.glsl). Query codes go to `queries`, HEAD_WORDS a head as in the cache, with their scale.
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
#include "probability_digits.glsl"
#include "digits.glsl"
#include "heads.glsl"
#include "head_digits.glsl"
#include "pages.glsl"
#include "cache.glsl"
#include "append.glsl"

void appendHeads(Row row, uint count)
{
    uint rowIndex = gl_WorkGroupID.y;
    for (uint i = gl_LocalInvocationIndex; i < count * HEAD_WORDS; i += WORKGROUP)
    {
        uint head = i / HEAD_WORDS, word = i % HEAD_WORDS;
        float scale, inverse;
        digitQuantizer(head, scale, inverse);
        uint packed = digitWord(head, word, inverse);
        if (isQuery(head))
        {
            queries.v[(rowIndex * shape.heads + firstSlot + head) * HEAD_WORDS + word] = packed;
            if (word == 0u)
            {
                queryParameters.v[rowIndex * shape.heads + firstSlot + head] = uvec4(floatBitsToUint(scale), 0u, 0u, 0u);
            }
        }
        else
        {
            uint place = cachePlace(head, row);
            storeCached(isKey(head), place, word, packed);
            if (word == 0u)
            {
                storeScale(isKey(head), place, scale);
            }
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_vote : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

// Appends to a cache of f32 (append.glsl), keys and values token-major: [place][d], places as pages.glsl has them. Queries go to `queries`, heads side by side.
layout(push_constant) uniform Push
{
    InRows rows;
    Floats qkv;
    InFloats rotary;
    Floats keys;
    Floats values;
    Words parameters;
    Floats queries;
    Vectors queryParameters;
    InFloats queryGain;
    InFloats keyGain;
    AttentionShape shape;
};

const uint HEADS_AT_ONCE = 4u;
#include "new_heads.glsl"
#include "heads.glsl"
#include "pages.glsl"
#include "append.glsl"

void appendHeads(Row row, uint count)
{
    for (uint i = gl_LocalInvocationIndex; i < count * HEAD_SIZE; i += WORKGROUP)
    {
        uint head = i / HEAD_SIZE, d = i % HEAD_SIZE;
        if (isQuery(head))
        {
            queries.v[(gl_WorkGroupID.y * shape.heads + firstSlot + head) * HEAD_SIZE + d] = headValues[i];
        }
        else
        {
            uint at = cachePlace(head, row) * HEAD_SIZE + d;
            if (isKey(head))
            {
                keys.v[at] = headValues[i];
            }
            else
            {
                values.v[at] = headValues[i];
            }
        }
    }
}

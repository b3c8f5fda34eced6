#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "contract.glsl"
#include "buffers.glsl"

// The largest magnitude of a matrix on top of what is there, as bits: NaN and infinity win.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
#include "training_table.glsl"

layout(push_constant) uniform Push
{
    InWords x;
    Words largest;
    uint count;
};

void main()
{
    uint highest = 0u, step = gl_NumWorkGroups.x * WORKGROUP;
    for (uint i = gl_GlobalInvocationID.x; i < count; i += step * 4u)
    {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
        {
            uint at = i + j * step;
            highest = max(highest, at < count ? floatBitsToUint(tableValue(x, TABLE_TYPE, at)) & 0x7FFFFFFFu : 0u);
        }
    }

    highest = subgroupMax(highest);
    if (subgroupElect())
    {
        atomicMax(largest.v[0], highest);
    }
}

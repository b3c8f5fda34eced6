#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"

// Mean over heads of the probabilities of a query, in the heads' order; 0 above the diagonal.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;

layout(push_constant) uniform Push
{
    InFloats probabilities;
    Floats mean;
    uint tokens;
    uint heads;
    float inverseHeads;
};

void main()
{
    uint token = gl_WorkGroupID.y;
    for (uint k = gl_GlobalInvocationID.x; k < tokens; k += gl_NumWorkGroups.x * WORKGROUP)
    {
        precise float total = 0.0;
        for (uint h = 0u; h < heads && k <= token; h++)
        {
            total = total + probabilities.v[(h * tokens + token) * tokens + k];
        }

        precise float result = total * inverseHeads;
        mean.v[token * tokens + k] = result;
    }
}

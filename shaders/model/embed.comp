#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"
#include "table.glsl"
#include "rows.glsl"

// x[row] = embedding[token] · scale (+ positions[position + offset]), one workgroup per row and span of columns.
layout(local_size_x_id = 0) in;
layout(constant_id = 2) const uint POSITION_TYPE = 3;   // TABLE_NONE
layout(constant_id = 3) const float SCALE = 1.0;

layout(push_constant) uniform Push
{
    InRows rows;
    InWords table;
    InWords positions;
    Floats x;
    uint columns;
    uint positionOffset;
};

void main()
{
    Row row = rows.v[gl_WorkGroupID.y];
    uint column = gl_GlobalInvocationID.x;
    if (column >= columns)
    {
        return;
    }

    float v = tableElement(TABLE_TYPE, table, row.token * columns + column);
    if (SCALE != 1.0)
    {
        precise float scaled = v * SCALE;
        v = canonical(scaled);
    }

    if (POSITION_TYPE != TABLE_NONE)
    {
        precise float sum = v + tableElement(POSITION_TYPE, positions, (row.position + positionOffset) * columns + column);
        v = canonical(sum);
    }

    x.v[gl_WorkGroupID.y * columns + column] = v;
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"
#include "table.glsl"
#include "rows.glsl"

// x[row] = embedding[token] · scale (+ positions[position + offset]), one workgroup per row and span of columns. An embedding of codes is
// the head's matrix: fl(fl(code - zero point) · scale).
layout(local_size_x_id = 0) in;
layout(constant_id = 2) const uint POSITION_TYPE = 3;   // TABLE_NONE
layout(constant_id = 3) const float SCALE = 1.0;
layout(constant_id = 4) const uint BITS = 8;            // of a code

#include "stored_code.glsl"
#include "weight_scales.glsl"

layout(push_constant) uniform Push
{
    InRows rows;
    InWords table;
    InWords positions;
    Floats x;
    InWords scales;         // of an embedding of codes, [token], as weight_scales.glsl has them
    InWords zeros;          // what codes as they are stored are off zero by, [token]
    uint columns;
    uint positionOffset;
};

float level(uint token, uint column)
{
    uint blocks = (columns + 63u) / 64u;
    int code = storedCode(InVectors(table), token / 32u * blocks + column / 64u, token & 31u, column & 63u);
    int zero = zeroIn(zeros.v[zeroWord(token)], token);
    precise float v = float(code - zero) * scaleIn(scales.v[scaleWord(token)], token);
    return canonical(v);
}

void main()
{
    Row row = rows.v[gl_WorkGroupID.y];
    uint column = gl_GlobalInvocationID.x;
    if (column >= columns)
    {
        return;
    }

    float v = TABLE_TYPE == TABLE_CODES ? level(row.token, column) : tableElement(TABLE_TYPE, table, row.token * columns + column);
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

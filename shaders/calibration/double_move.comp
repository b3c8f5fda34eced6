#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "doubles.glsl"

// Moves f64 values about, one invocation a value: rows along y, columns along x.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint MOVE = 0;

const uint MOVE_COPY = 0u;          // target[row][column] = source[row][column]
const uint MOVE_PERMUTE = 1u;       // lower triangle of target = source[order[row]][order[column]] from its upper one, with `add` on the diagonal
const uint MOVE_WEIGHTS = 2u;       // target[row][column] = f32 source[row][order[column]]
const uint MOVE_DIAGONAL = 3u;      // target[column] = source[column][column]

layout(push_constant) uniform Push
{
    InDoubles source;
    Doubles target;
    InWords order;
    InDoubles add;
    uint rows;
    uint columns;
    uint sourceStride;
    uint targetStride;
};

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex, row = gl_WorkGroupID.y;
    if (column >= columns || row >= rows)
    {
        return;
    }

    if (MOVE == MOVE_COPY)
    {
        target.v[row * targetStride + column] = source.v[row * sourceStride + column];
    }
    else if (MOVE == MOVE_PERMUTE)
    {
        if (column <= row)
        {
            uint a = order.v[row], b = order.v[column];
            double v = source.v[min(a, b) * sourceStride + max(a, b)];
            precise double damped = v + add.v[0];
            target.v[row * targetStride + column] = row == column ? damped : v;
        }
    }
    else if (MOVE == MOVE_WEIGHTS)
    {
        target.v[row * targetStride + column] = double(uintBitsToFloat(InWords(source).v[row * sourceStride + order.v[column]]));
    }
    else
    {
        target.v[column] = source.v[column * sourceStride + column];
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"
#include "doubles.glsl"
#include "exact_doubles.glsl"

// Moves f64 values about, one invocation a value: rows along y, columns along x.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint MOVE = 0;
layout(constant_id = 2) const uint TABLE_TYPE = 0;          // of weights: f32, f16, bf16

const uint MOVE_COPY = 0u;          // target[row][column] = source[row][column]
const uint MOVE_PERMUTE = 1u;       // lower triangle of target = source[order[row]][order[column]] from its upper one, with `add` on the diagonal
const uint MOVE_WEIGHTS = 2u;       // target[row][column] = weight source[row][order[column]]
const uint MOVE_DIAGONAL = 3u;      // target[column] = source[column][column]
const uint MOVE_MIRROR = 4u;        // lower triangle of target = its upper one
const uint MOVE_MIX = 5u;           // target = source + add·(target − source)
const uint MOVE_SCALE = 6u;         // target = source·add
const uint MOVE_SOLVED_FOR = 7u;    // target[row][column] = source[row][order[column]] + add·other[row][order[column]]
const uint MOVE_SINGLE = 8u;        // f32 target[row][order[column]] = source[row][column]
const uint MOVE_SINGLE_WEIGHTS = 9u; // f32 target[row][column] = weight source[row][column]
const uint MOVE_IMPORTANCE = 10u;   // target[column] = 1/source[column][column]²

const uint TABLE_FLOAT32 = 0u;
const uint TABLE_FLOAT16 = 1u;

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
    InDoubles other;
};

double sourceAt(uint index)
{
    return elementsFrom(source, index).v[0];
}

double targetAt(uint index)
{
    return targetsFrom(target, index).v[0];
}

void setTarget(uint index, double value)
{
    targetsFrom(target, index).v[0] = value;
}

float weight(uint index)
{
    if (TABLE_TYPE == TABLE_FLOAT32)
    {
        return canonical(uintBitsToFloat(InWords(source).v[index]));
    }

    uint word = InWords(source).v[index >> 1];
    uint bits = (index & 1u) != 0u ? word >> 16 : word & 0xFFFFu;
    return canonical(TABLE_TYPE == TABLE_FLOAT16 ? halfToFloat(bits) : uintBitsToFloat(bits << 16));
}

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex, row = gl_WorkGroupID.y;
    if (column >= columns || row >= rows)
    {
        return;
    }

    uint from = row * sourceStride + column, to = row * targetStride + column;
    if (MOVE == MOVE_COPY)
    {
        setTarget(to, sourceAt(from));
    }
    else if (MOVE == MOVE_PERMUTE)
    {
        if (column <= row)
        {
            uint a = order.v[row], b = order.v[column];
            double v = sourceAt(min(a, b) * sourceStride + max(a, b));
            precise double damped = v + add.v[0];
            setTarget(to, row == column ? damped : v);
        }
    }
    else if (MOVE == MOVE_WEIGHTS)
    {
        setTarget(to, double(weight(row * sourceStride + order.v[column])));
    }
    else if (MOVE == MOVE_DIAGONAL)
    {
        setTarget(column, sourceAt(column * sourceStride + column));
    }
    else if (MOVE == MOVE_MIRROR)
    {
        if (column > row)
        {
            setTarget(column * targetStride + row, targetAt(to));
        }
    }
    else if (MOVE == MOVE_MIX)
    {
        precise double difference = targetAt(to) - sourceAt(from);
        precise double mixed = sourceAt(from) + add.v[0] * difference;
        setTarget(to, mixed);
    }
    else if (MOVE == MOVE_SCALE)
    {
        precise double scaled = sourceAt(from) * add.v[0];
        setTarget(to, scaled);
    }
    else if (MOVE == MOVE_SOLVED_FOR)
    {
        uint at = row * sourceStride + order.v[column];
        precise double damped = add.v[0] * other.v[at];
        precise double sum = sourceAt(at) + damped;
        setTarget(to, sum);
    }
    else if (MOVE == MOVE_SINGLE)
    {
        Floats(target).v[row * targetStride + order.v[column]] = nearestFloat(sourceAt(from));
    }
    else if (MOVE == MOVE_SINGLE_WEIGHTS)
    {
        Floats(target).v[to] = weight(from);
    }
    else
    {
        double d = sourceAt(column * sourceStride + column);
        precise double square = d * d;
        setTarget(column, exactQuotient(1.0LF, square));
    }
}

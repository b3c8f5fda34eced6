// An element of a checkpoint's table in its own type. Needs contract.glsl and buffers.glsl.
#ifndef TRAINING_TABLE_GLSL
#define TRAINING_TABLE_GLSL

float tableValue(InWords table, uint type, uint index)
{
    if (type == 0u)
    {
        return uintBitsToFloat(table.v[index]);
    }

    uint word = table.v[index >> 1];
    uint bits = (index & 1u) != 0u ? word >> 16 : word & 0xFFFFu;
    return type == 1u ? halfToFloat(bits) : uintBitsToFloat(bits << 16);
}

#endif

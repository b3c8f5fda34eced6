// Elements of float tables in the checkpoint's dtype, converted to f32 exactly and made canonical.
#ifndef TABLE_GLSL
#define TABLE_GLSL

const uint TABLE_FLOAT32 = 0u;
const uint TABLE_FLOAT16 = 1u;
const uint TABLE_BFLOAT16 = 2u;
const uint TABLE_NONE = 3u;
const uint TABLE_CODES = 4u;   // packed like weights: embed.comp alone reads them here

layout(constant_id = 1) const uint TABLE_TYPE = 1;

// The element in the low (or high) half of a word of a 16-bit table.
float tableHalf(uint type, uint element)
{
    return canonical(type == TABLE_FLOAT16 ? halfToFloat(element) : uintBitsToFloat(element << 16));
}

// Elements are counted in 32 bits: a table has fewer than 2^32 (checked on the host).
float tableElement(uint type, InWords table, uint index)
{
    if (type == TABLE_FLOAT32)
    {
        return canonical(uintBitsToFloat(table.v[index]));
    }

    uint word = table.v[index >> 1];
    return tableHalf(type, (uint(index) & 1u) != 0u ? word >> 16 : word & 0xFFFFu);
}

#endif

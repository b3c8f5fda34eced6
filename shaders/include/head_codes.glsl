// A head in headValues as 2 … 8-bit codes, asymmetric (docs/float-contract.md; ABQ-LLM). Needs heads.glsl, fields.glsl.
#ifndef HEAD_CODES_GLSL
#define HEAD_CODES_GLSL

// Scale and zero point of a head, asymmetric at KV_BITS.
void headQuantizer(uint head, out float scale, out float inverse, out float zero)
{
    const float levels = float((1u << KV_BITS) - 1u);
    precise float range = uintBitsToFloat(headHigh[head]) + uintBitsToFloat(headLow[head]);
    precise float s = range * INVERSE_LEVELS;
    scale = clamp(s, MINIMUM_SCALE, MAXIMUM_SCALE);
    inverse = reciprocal(scale);
    precise float z = uintBitsToFloat(headLow[head]) * inverse;
    zero = clamp(roundEven(z), 0.0, levels);
}

uint headCode(float v, float inverse, float zero)
{
    precise float scaled = v * inverse;
    precise float q = roundEven(scaled) + zero;
    return uint(clamp(q, 0.0, float((1u << KV_BITS) - 1u)));
}

// Packed word of a head in headValues; codes past the head are 0.
uint headWord(uint head, uint word, float inverse, float zero)
{
    uint packed = 0u;
    for (uint i = 0u; i < CODES_PER_WORD; i++)
    {
        uint d = word * CODES_PER_WORD + i;
        if (d < HEAD_SIZE)
        {
            packed |= headCode(headValues[head * HEAD_SIZE + d], inverse, zero) << ((i & 3u) * 8u + (i >> 2) * FIELD_BITS);
        }
    }

    return packed;
}

uint sumOfCodes(uint packed)
{
    uint sum = 0u;
    for (uint s = 0u; s < PHASES; s++)
    {
        sum += dotPacked4x8EXT((packed >> (s * FIELD_BITS)) & FIELD_MASK, 0x01010101u);
    }

    return sum;
}

#endif

// A head in headValues as symmetric codes of two digits (docs/float-contract.md). Needs heads.glsl, digits.glsl.
#ifndef HEAD_DIGITS_GLSL
#define HEAD_DIGITS_GLSL

// Scale of a head and its inverse.
void digitQuantizer(uint head, out float scale, out float inverse)
{
    precise float s = uintBitsToFloat(max(headLow[head], headHigh[head])) * INVERSE_LEVELS;
    scale = clamp(s, MINIMUM_SCALE, MAXIMUM_SCALE);
    inverse = reciprocal(scale);
}

// Word of a head: DIGIT_WORDS of high digits, then DIGIT_WORDS of low digits, of four codes each.
uint digitWord(uint head, uint word, float inverse)
{
    bool high = word < DIGIT_WORDS;
    uint first = head * HEAD_SIZE + (high ? word : word - DIGIT_WORDS) * 4u, packed = 0u;
    for (uint i = 0u; i < 4u; i++)
    {
        precise float scaled = headValues[first + i] * inverse;
        int code = int(clamp(roundEven(scaled), -LARGEST_CODE, LARGEST_CODE));
        packed |= (uint(high ? (code + 128) >> 8 : code) & 255u) << (8u * i);
    }

    return packed;
}

#endif

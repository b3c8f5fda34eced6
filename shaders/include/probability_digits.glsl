// probabilityCode of fields.glsl without the conversions and roundings that devices do at an eighth of their rate: a float added to
// 2^23 or 1.5·2^23 is rounded to the nearest integer, ties to even, and holds it in its low bits.
#ifndef PROBABILITY_DIGITS_GLSL
#define PROBABILITY_DIGITS_GLSL

const float ROUND = 8388608.0;                  // 2^23, bits 0x4B000000: integers from 0
const float ROUND_SIGNED = 12582912.0;          // 1.5·2^23, bits 0x4B400000: integers of both signs

// contractExp for x ≤ 0, but for results below 2^-60, which it makes 0: their codes are 0 all the same.
float expOfNegative(float x)
{
    x = max(x, -60.0);
    precise float scaled = x * 1.44269504;
    precise float rounded = scaled + ROUND_SIGNED;
    precise float n = rounded - ROUND_SIGNED;
    precise float p = expOfRemainder(x, n);
    precise float y = p * uintBitsToFloat((floatBitsToUint(rounded) << 23) + 0x3F800000u);
    return y;
}

// The 16-bit code of p·(sv/SV) below bits that do not count; adds the code of p to total.
uint probabilityDigits(float score, float maximum, float valueScale, float inverseMaximumScale, inout uint total)
{
    precise float below = score - maximum;
    float p = expOfNegative(below);
    precise float e = p * 65535.0;
    e = e + ROUND;
    total += floatBitsToUint(e) - 0x4B000000u;
    precise float ratio = valueScale * inverseMaximumScale;
    precise float scaled = p * ratio;
    precise float c = scaled * 65535.0;
    c = min(c, 65535.0) + ROUND;
    return floatBitsToUint(c);
}

// High digits and low digits of four codes, a byte each.
uvec2 packDigits(uvec4 code)
{
    uvec2 pairs = (code.xz & 0xFFFFu) | (code.yw << 16);
    uvec2 low = (pairs & 0xFFu) | ((pairs >> 8) & 0xFF00u), high = ((pairs >> 8) & 0xFFu) | ((pairs >> 16) & 0xFF00u);
    return uvec2(high.x | high.y << 16, low.x | low.y << 16);
}

#endif

// The codes of a row's values: range, scale, zero point and rounding (Portable.Reference ActivationQuantizer). Needs contract.glsl,
// QUANTIZER_MODE and CODE_BITS.
#ifndef ROW_CODES_GLSL
#define ROW_CODES_GLSL

const uint MODE_SYMMETRIC = 0u;
const uint MODE_ASYMMETRIC = 1u;
const uint MODE_STATIC = 2u;
const uint MODE_FLOAT = 3u;

// Statements, not an expression: glslang loses the operands of || in expressions of specialization constants.
int codeOffset()
{
    if (CODE_BITS == 16u)
    {
        return 128;
    }

    if (CODE_BITS == 8u && QUANTIZER_MODE == MODE_ASYMMETRIC)
    {
        return 128;
    }

    return 0;
}

// Widens a range; low and high are magnitudes, both ≥ +0. Not max(…, -v): of 0 and -0 it may return -0, whose bits are the largest of all.
void widen(vec4 four, inout float low, inout float high)
{
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        float v = four[i];
        low = v < -low ? -v : low;
        high = v > high ? v : high;
    }
}

// Scale and zero point of a range of magnitudes; inverseLevels is 1/Q or 1/L.
void findScale(float low, float high, float inverseLevels, out float scale, out float inverse, out float zero)
{
    precise float span = low + high;
    precise float s = (QUANTIZER_MODE == MODE_SYMMETRIC ? max(low, high) : span) * inverseLevels;
    scale = clamp(s, MINIMUM_SCALE, MAXIMUM_SCALE);
    inverse = reciprocal(scale);
    zero = 0.0;
    if (QUANTIZER_MODE == MODE_ASYMMETRIC)
    {
        precise float z = low * inverse;
        zero = clamp(roundEven(z), 0.0, float((1 << CODE_BITS) - 1));
    }
}

int dynamicCode(float v, float inverse, float zero)
{
    precise float scaled = v * inverse;
    precise float q = roundEven(scaled) + zero;
    return QUANTIZER_MODE == MODE_ASYMMETRIC
        ? int(clamp(q, 0.0, float((1 << CODE_BITS) - 1)))
        : int(clamp(q, -float(1 << (CODE_BITS - 1u)), float((1 << (CODE_BITS - 1u)) - 1)));
}

// The same without conversions, which are slow on some devices: 1.5·2^23 + v holds v, rounded to the nearest even integer, in its low
// bits while |v| < 2^22, and what is beyond saturates.
int dynamicCodeOfBits(float v, float inverse, int zero)
{
    precise float scaled = v * inverse;
    precise float shifted = clamp(scaled, -1048576.0, 1048576.0) + 12582912.0;
    int q = floatBitsToInt(shifted) - 0x4B400000 + zero;
    return QUANTIZER_MODE == MODE_ASYMMETRIC ? clamp(q, 0, (1 << CODE_BITS) - 1) : clamp(q, -(1 << (CODE_BITS - 1u)), (1 << (CODE_BITS - 1u)) - 1);
}

#endif

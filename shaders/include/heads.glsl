// One head's query, key or value: rotary and quantization at the KV bits (DESIGN section 3; ABQ-LLM).
// Needs contract.glsl, WORKGROUP threads, HEAD_SIZE, KV_BITS, FIELD_BITS, rotary tables `rotary[]` (cos then sin per position).
#ifndef HEADS_GLSL
#define HEADS_GLSL
#include "fields.glsl"

const uint PAIRS = HEAD_SIZE / 2u;

shared float headValues[HEAD_SIZE];
shared uint headLow, headHigh;

// Loads (and rotates) a head into headValues. Half-split pairs: a' = a·c − b·s, b' = b·c + a·s.
void loadHead(uint first, uint position, bool rotated)
{
    barrier();
    for (uint i = gl_LocalInvocationIndex; i < PAIRS; i += WORKGROUP)
    {
        float a = qkv.v[first + i], b = qkv.v[first + i + PAIRS];
        if (rotated)
        {
            float c = rotary.v[position * HEAD_SIZE + i], s = rotary.v[position * HEAD_SIZE + PAIRS + i];
            precise float ac = a * c;
            precise float bs = b * s;
            precise float bc = b * c;
            precise float as = a * s;
            precise float x = ac - bs;
            precise float y = bc + as;
            a = canonical(x);
            b = canonical(y);
        }

        headValues[i] = a;
        headValues[i + PAIRS] = b;
    }

    barrier();
}

// Scale and zero point of the head in headValues, asymmetric at KV_BITS.
void headQuantizer(out float scale, out float inverse, out float zero)
{
    if (gl_LocalInvocationIndex == 0u)
    {
        headLow = 0u;
        headHigh = 0u;
    }

    barrier();
    for (uint i = gl_LocalInvocationIndex; i < HEAD_SIZE; i += WORKGROUP)
    {
        // Both are ≥ +0, where float order is integer order.
        float v = headValues[i];
        atomicMax(headLow, floatBitsToUint(v < 0.0 ? -v : 0.0));
        atomicMax(headHigh, floatBitsToUint(v > 0.0 ? v : 0.0));
    }

    barrier();
    const float levels = float((1u << KV_BITS) - 1u);
    precise float range = uintBitsToFloat(headHigh) + uintBitsToFloat(headLow);
    precise float s = range * INVERSE_LEVELS;
    scale = clamp(s, MINIMUM_SCALE, MAXIMUM_SCALE);
    inverse = reciprocal(scale);
    precise float z = uintBitsToFloat(headLow) * inverse;
    zero = clamp(roundEven(z), 0.0, levels);
    barrier();
}

uint headCode(float v, float inverse, float zero)
{
    precise float scaled = v * inverse;
    precise float q = roundEven(scaled) + zero;
    return uint(clamp(q, 0.0, float((1u << KV_BITS) - 1u)));
}

// Packed word of the head in headValues; codes past the head are 0.
uint headWord(uint word, float inverse, float zero)
{
    uint packed = 0u;
    for (uint i = 0u; i < CODES_PER_WORD; i++)
    {
        uint d = word * CODES_PER_WORD + i;
        if (d < HEAD_SIZE)
        {
            packed |= headCode(headValues[d], inverse, zero) << ((i & 3u) * 8u + (i >> 2) * FIELD_BITS);
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

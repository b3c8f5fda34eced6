// One head's query, key or value: rotary and quantization at the KV bits (DESIGN section 3; ABQ-LLM).
// HEADS_AT_ONCE heads (3 or 4) go through together. Needs contract.glsl, WORKGROUP threads, HEAD_SIZE, KV_BITS, FIELD_BITS, rotary tables `rotary[]` (cos then sin per position).
#ifndef HEADS_GLSL
#define HEADS_GLSL
#include "fields.glsl"

const uint PAIRS = HEAD_SIZE / 2u;

shared float headValues[HEADS_AT_ONCE * HEAD_SIZE];
shared uint headLow[HEADS_AT_ONCE], headHigh[HEADS_AT_ONCE];

// Loads (and rotates the first `rotated`) heads into headValues. Half-split pairs: a' = a·c − b·s, b' = b·c + a·s.
void loadHeads(uint first[HEADS_AT_ONCE], uint position, uint rotated)
{
    if (gl_LocalInvocationIndex < HEADS_AT_ONCE)
    {
        headLow[gl_LocalInvocationIndex] = 0u;
        headHigh[gl_LocalInvocationIndex] = 0u;
    }

    for (uint j = gl_LocalInvocationIndex; j < HEADS_AT_ONCE * PAIRS; j += WORKGROUP)
    {
        uint head = j / PAIRS, i = j % PAIRS;
        float a = qkv.v[first[head] + i], b = qkv.v[first[head] + i + PAIRS];
        if (head < rotated)
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

        headValues[head * HEAD_SIZE + i] = a;
        headValues[head * HEAD_SIZE + i + PAIRS] = b;
    }

    barrier();
}

// The ranges of the heads in headValues. A subgroup inside one head gives one range.
void findHeadRanges()
{
    for (uint i = gl_LocalInvocationIndex; i < HEADS_AT_ONCE * HEAD_SIZE; i += WORKGROUP)
    {
        // Both are ≥ +0, where float order is integer order.
        float v = headValues[i];
        uint head = i / HEAD_SIZE;
        uint low = floatBitsToUint(v < 0.0 ? -v : 0.0), high = floatBitsToUint(v > 0.0 ? v : 0.0);
        bool shares = true;
        if (subgroupAllEqual(head))
        {
            low = subgroupMax(low);
            high = subgroupMax(high);
            shares = subgroupElect();
        }

        if (shares)
        {
            atomicMax(headLow[head], low);
            atomicMax(headHigh[head], high);
        }
    }

    barrier();
}

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

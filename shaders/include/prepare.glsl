// Quantizes one row of values into codes, scales, zero points and row sums (Portable.Reference ActivationQuantizer), or
// writes the values as f32. Needs contract.glsl, WORKGROUP threads, a function float inputValue(uint k), and
// `prepared` and `map`. Values are computed twice (range, then codes) rather than kept.
#ifndef PREPARE_GLSL
#define PREPARE_GLSL

#include "prepare_push.glsl"

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

shared uint groupLow[GROUP_CAPACITY];
shared uint groupHigh[GROUP_CAPACITY];
shared int groupSum[GROUP_CAPACITY];
shared int groupHighSum[GROUP_CAPACITY];

// Real column of a padded position, or −1 (as uint) for padding.
uint columnOf(Quantizer q, uint padded)
{
    uint group = padded / (q.groupWords * 4u);
    uint offset = padded - group * q.groupWords * 4u;
    uint column = group * q.groupColumns + offset;
    return offset < q.groupColumns && column < q.columns ? column : 0xFFFFFFFFu;
}

// value of column k': through the column map where there is one
float mappedValue(uint column)
{
    return inputValue(HAS_MAP ? uint(map.v[column].x) : column);
}

int staticCode(float v, uint column, Quantizer q)
{
    precise float scaled = v * q.inverseLevels;
    float limit = float((1 << (CODE_BITS - 1u)) - 1);
    float rounded = roundHalfAway(scaled);
    float magnitude = abs(rounded);
    if (HAS_MAP)
    {
        precise float rest = magnitude - float(map.v[column].y);
        magnitude = clamp(rest, 0.0, float(map.v[column].z));
    }
    else
    {
        magnitude = min(magnitude, limit);
    }

    return rounded < 0.0 ? -int(magnitude) : int(magnitude);
}

int dynamicCode(float v, float inverse, float zero)
{
    precise float scaled = v * inverse;
    precise float q = roundEven(scaled) + zero;
    return QUANTIZER_MODE == MODE_ASYMMETRIC
        ? int(clamp(q, 0.0, float((1 << CODE_BITS) - 1)))
        : int(clamp(q, -float(1 << (CODE_BITS - 1u)), float((1 << (CODE_BITS - 1u)) - 1)));
}

void findRanges(Quantizer q)
{
    bool wholeToken = q.scales == 1u;
    float low = 0.0, high = 0.0;
    for (uint word = gl_LocalInvocationIndex; word < q.rowWords; word += WORKGROUP)
    {
        float wordLow = 0.0, wordHigh = 0.0;
        for (uint i = 0u; i < 4u; i++)
        {
            uint column = columnOf(q, word * 4u + i);
            if (column != 0xFFFFFFFFu)
            {
                float v = inputValue(column);
                // Not max(…, -v): of 0 and -0 it may return -0, whose bits are the largest of all.
                wordLow = v < -wordLow ? -v : wordLow;
                wordHigh = v > wordHigh ? v : wordHigh;
            }
        }

        if (wholeToken)
        {
            low = max(low, wordLow);
            high = max(high, wordHigh);
        }
        else
        {
            // ≥ +0, where float order is integer order
            uint group = word / q.groupWords;
            atomicMax(groupLow[group], floatBitsToUint(wordLow));
            atomicMax(groupHigh[group], floatBitsToUint(wordHigh));
        }
    }

    if (wholeToken)
    {
        low = subgroupMax(low);
        high = subgroupMax(high);
        if (subgroupElect())
        {
            atomicMax(groupLow[0], floatBitsToUint(low));
            atomicMax(groupHigh[0], floatBitsToUint(high));
        }
    }

    barrier();
}

void quantizeRow(uint row, Quantizer q)
{
    for (uint g = gl_LocalInvocationIndex; g < q.groups; g += WORKGROUP)
    {
        groupLow[g] = 0u;
        groupHigh[g] = 0u;
        groupSum[g] = 0;
        groupHighSum[g] = 0;
    }

    barrier();
    if (QUANTIZER_MODE != MODE_STATIC)
    {
        findRanges(q);
    }

    for (uint g = gl_LocalInvocationIndex; g < q.scales; g += WORKGROUP)
    {
        float scale = q.staticScale, inverse = q.inverseLevels, zero = 0.0;
        if (QUANTIZER_MODE != MODE_STATIC)
        {
            float low = uintBitsToFloat(groupLow[g]), high = uintBitsToFloat(groupHigh[g]);
            precise float span = low + high;
            precise float s = (QUANTIZER_MODE == MODE_SYMMETRIC ? max(low, high) : span) * q.inverseLevels;
            scale = clamp(s, MINIMUM_SCALE, MAXIMUM_SCALE);
            inverse = reciprocal(scale);
            if (QUANTIZER_MODE == MODE_ASYMMETRIC)
            {
                precise float z = low * inverse;
                zero = clamp(roundEven(z), 0.0, float((1 << CODE_BITS) - 1));
            }
        }

        groupLow[g] = floatBitsToUint(inverse);
        groupHigh[g] = floatBitsToUint(zero);
        prepared.scales.v[(row * q.scales + g) * 2u] = floatBitsToUint(scale);
        prepared.scales.v[(row * q.scales + g) * 2u + 1u] = uint(zero);
    }

    barrier();
    for (uint word = gl_LocalInvocationIndex; word < q.rowWords; word += WORKGROUP)
    {
        uint group = word / q.groupWords;
        uint scaleIndex = q.scales == 1u ? 0u : group;
        float inverse = uintBitsToFloat(groupLow[scaleIndex]), zero = uintBitsToFloat(groupHigh[scaleIndex]);
        uint low = 0u, high = 0u;
        int sum = 0, highSum = 0;
        for (uint i = 0u; i < 4u; i++)
        {
            uint column = columnOf(q, word * 4u + i);
            if (column != 0xFFFFFFFFu)
            {
                float v = mappedValue(column);
                int code = QUANTIZER_MODE == MODE_STATIC ? staticCode(v, column, q) : dynamicCode(v, inverse, zero);
                int digit = CODE_BITS == 16u ? code & 255 : code;
                low |= uint((digit - codeOffset()) & 255) << (8u * i);
                sum += digit;
                if (CODE_BITS == 16u)
                {
                    high |= uint((code >> 8) & 255) << (8u * i);
                    highSum += code >> 8;
                }
            }
        }

        prepared.codes.v[row * q.rowWords + word] = low;
        atomicAdd(groupSum[group], sum);
        if (CODE_BITS == 16u)
        {
            prepared.highCodes.v[row * q.rowWords + word] = high;
            atomicAdd(groupHighSum[group], highSum);
        }
    }

    barrier();
    for (uint g = gl_LocalInvocationIndex; g < q.groups; g += WORKGROUP)
    {
        prepared.sums.v[row * q.groups + g] = groupSum[g];
        if (CODE_BITS == 16u)
        {
            prepared.highSums.v[row * q.groups + g] = groupHighSum[g];
        }
    }
}

#endif

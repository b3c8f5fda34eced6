// Quantizes one row of values into codes, scales, zero points and row sums (Portable.Reference ActivationQuantizer). Needs
// contract.glsl, WORKGROUP threads, float inputValue(uint k), vec4 inputValues(uint k) for four neighbours, and `prepared` and
// `map`. An invocation owns whole words of four codes, WORKGROUP words apart: the values of its first HELD words stay in
// registers from the load to the codes, those of longer rows are computed for the range and again for the codes.
#ifndef PREPARE_GLSL
#define PREPARE_GLSL

#include "activation_tiles.glsl"
#include "prepare_push.glsl"

vec4 held[HELD];
shared uint groupLow[GROUP_CAPACITY];
shared uint groupHigh[GROUP_CAPACITY];
shared int groupSum[GROUP_CAPACITY];
shared int groupHighSum[GROUP_CAPACITY];

uint groupOf(uint word)
{
    return GROUP_CAPACITY == 1u ? 0u : word / GROUP_WORDS;
}

// The scale of a word, where a row has several.
uint scaleOf(uint word)
{
    return groupOf(word) / SCALE_SPAN;
}

// Real column of a word's first position, or NO_COLUMN where the word is padding. With QUADS all four are one or the other.
const uint NO_COLUMN = 0xFFFFFFFFu;

uint columnOf(Quantizer q, uint word, uint i)
{
    uint group = groupOf(word);
    uint offset = (word - group * GROUP_WORDS) * 4u + i;
    uint column = group * q.groupColumns + offset;
    return offset < q.groupColumns && column < q.columns ? column : NO_COLUMN;
}

// With QUADS: the column of a word's first value, or NO_COLUMN behind the row too.
uint quadColumn(Quantizer q, uint word)
{
    return word < q.rowWords ? columnOf(q, word, 0u) : NO_COLUMN;
}

// The four values of a word as they stand before quantization; padding is 0, which no range sees.
vec4 wordValues(Quantizer q, uint word)
{
    if (QUADS)
    {
        uint column = quadColumn(q, word);
        return column != NO_COLUMN ? inputValues(column) : vec4(0.0);
    }

    vec4 v = vec4(0.0);
    for (uint i = 0u; i < 4u; i++)
    {
        uint column = columnOf(q, word, i);
        if (word < q.rowWords && column != NO_COLUMN)
        {
            v[i] = inputValue(HAS_MAP ? uint(map.v[column].x) : column);
        }
    }

    return v;
}

void holdValues(Quantizer q)
{
    [[unroll]] for (uint i = 0u; i < HELD; i++)
    {
        held[i] = wordValues(q, gl_LocalInvocationIndex + i * WORKGROUP);
    }
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

// Gives a range to a group's: ≥ +0, where float order is integer order. A subgroup inside one group gives one.
void shareRange(uint group, float low, float high)
{
    if (subgroupAllEqual(group))
    {
        low = subgroupMax(low);
        high = subgroupMax(high);
        if (!subgroupElect())
        {
            return;
        }
    }

    atomicMax(groupLow[group], floatBitsToUint(low));
    atomicMax(groupHigh[group], floatBitsToUint(high));
}

void findRanges(Quantizer q)
{
    bool wholeToken = q.scales == 1u;
    float low = 0.0, high = 0.0;
    [[unroll]] for (uint i = 0u; i < HELD; i++)
    {
        uint word = gl_LocalInvocationIndex + i * WORKGROUP;
        widen(held[i], low, high);
        if (!wholeToken && word < q.rowWords)
        {
            shareRange(scaleOf(word), low, high);
            low = 0.0;
            high = 0.0;
        }
    }

    for (uint word = gl_LocalInvocationIndex + HELD * WORKGROUP; word < q.rowWords; word += WORKGROUP)
    {
        widen(wordValues(q, word), low, high);
        if (!wholeToken)
        {
            shareRange(scaleOf(word), low, high);
            low = 0.0;
            high = 0.0;
        }
    }

    if (wholeToken)
    {
        shareRange(0u, low, high);
    }

    barrier();
}

void findScales(uint row, Quantizer q)
{
    for (uint g = gl_LocalInvocationIndex; g < q.scales; g += WORKGROUP)
    {
        float scale = q.staticScale, inverse = q.inverseLevels, zero = 0.0;
        if (QUANTIZER_MODE != MODE_STATIC)
        {
            findScale(uintBitsToFloat(groupLow[g]), uintBitsToFloat(groupHigh[g]), q.inverseLevels, scale, inverse, zero);
        }

        groupLow[g] = floatBitsToUint(inverse);
        groupHigh[g] = floatBitsToUint(zero);
        prepared.scales.v[(row * q.scales + g) * 2u] = floatBitsToUint(scale);
        prepared.scales.v[(row * q.scales + g) * 2u + 1u] = uint(zero);
    }

    barrier();
}

// Codes of one word; adds to the sums of its group.
void storeCodes(uint row, Quantizer q, uint word, vec4 four, inout int sum, inout int highSum)
{
    uint scaleIndex = q.scales == 1u ? 0u : scaleOf(word);
    float inverse = uintBitsToFloat(groupLow[scaleIndex]), zero = uintBitsToFloat(groupHigh[scaleIndex]);
    uint low = 0u, high = 0u;
    [[unroll]] for (uint i = 0u; i < 4u; i++)
    {
        uint column = columnOf(q, word, QUADS ? 0u : i);
        if (column != NO_COLUMN)
        {
            int code = QUANTIZER_MODE == MODE_STATIC ? staticCode(four[i], column, q) : dynamicCode(four[i], inverse, zero);
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

    uint at = activationAt(row, q.rowWords >> 4, word >> 4) * 4u + (word & 15u);
    prepared.codes.v[at] = low;
    if (CODE_BITS == 16u)
    {
        prepared.highCodes.v[at] = high;
    }
}

// Gives sums to a group's and starts new ones.
void shareSums(uint group, inout int sum, inout int highSum)
{
    bool shares = true;
    if (subgroupAllEqual(group))
    {
        sum = subgroupAdd(sum);
        highSum = CODE_BITS == 16u ? subgroupAdd(highSum) : 0;
        shares = subgroupElect();
    }

    if (shares)
    {
        atomicAdd(groupSum[group], sum);
        if (CODE_BITS == 16u)
        {
            atomicAdd(groupHighSum[group], highSum);
        }
    }

    sum = 0;
    highSum = 0;
}

void findCodes(uint row, Quantizer q)
{
    int sum = 0, highSum = 0;
    [[unroll]] for (uint i = 0u; i < HELD; i++)
    {
        uint word = gl_LocalInvocationIndex + i * WORKGROUP;
        if (word < q.rowWords)
        {
            storeCodes(row, q, word, held[i], sum, highSum);
            if (GROUP_CAPACITY > 1u)
            {
                shareSums(groupOf(word), sum, highSum);
            }
        }
    }

    for (uint word = gl_LocalInvocationIndex + HELD * WORKGROUP; word < q.rowWords; word += WORKGROUP)
    {
        storeCodes(row, q, word, wordValues(q, word), sum, highSum);
        if (GROUP_CAPACITY > 1u)
        {
            shareSums(groupOf(word), sum, highSum);
        }
    }

    if (GROUP_CAPACITY == 1u)
    {
        shareSums(0u, sum, highSum);
    }

    barrier();
}

// Quantizes the row whose first words are in `held`.
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

    findScales(row, q);
    findCodes(row, q);
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

// Codes of two signed 8-bit digits, x = 256·h + l, and what a row carries over the stretches of 64 keys of a 16-bit cache
// (docs/float-contract.md; Portable.Reference/Operations/DigitRow.cs holds the same in C#).
// A head is DIGIT_WORDS words of four high digits each, then as many of low digits. Needs contract.glsl, probability_digits.glsl.
#ifndef DIGITS_GLSL
#define DIGITS_GLSL

const uint DIGIT_WORDS = HEAD_SIZE / 4u;
const uint HEAD_WORDS = 2u * DIGIT_WORDS;
const float LARGEST_CODE = 32639.0;
const float TOTAL_LEVELS = 4194304.0;           // 2^22
const float UNIT = 128.50590515;                // fl(2^22/32639)
const float BELOW_ALL_SCORES = -3.4e38;

// 256·high + low, rounded once: the sum of a shifted and a small integer, both exact.
float exactSum(int high, int low)
{
    int t = low + ((high & 255) << 8);
    precise float sum = float((high >> 8) + (t >> 16)) * 65536.0;
    sum = sum + float(t & 0xFFFF);
    return sum;
}

// 65536·hh + 256·hl + ll; 256·hh + hl stays below 2^31 up to heads of 512.
float exactSum(int hh, int hl, int ll)
{
    return exactSum(hh * 256 + hl, ll);
}

float digitScore(float dot_, float queryScale, float keyScale)
{
    precise float scale = queryScale * keyScale;
    precise float score = dot_ * scale;
    score = score * SCORE_SCALE;
    return cappedScore(score);
}

// What a key contributes: e = exp(score − the stretch's maximum) times its value's scale; adds e in units of the total to mass.
float contributionOf(float score, float maximum, float valueScale, inout uint mass)
{
    precise float below = score - maximum;
    float e = expOfNegative(below);
    precise float levels = e * TOTAL_LEVELS;
    levels = levels + ROUND;
    mass += floatBitsToUint(levels) - 0x4B000000u;
    precise float contribution = e * valueScale;
    return contribution;
}

// Levels of a contribution relative to the stretch's largest. No contribution: one that divides nothing by 0.
float levelsOf(float largest)
{
    precise float levels = reciprocal(max(largest, MINIMUM_SCALE)) * LARGEST_CODE;
    return levels;
}

// Code of a contribution, below bits that do not count.
uint contributionCode(float contribution, float levels)
{
    precise float c = contribution * levels;
    c = min(c, LARGEST_CODE) + ROUND;
    return floatBitsToUint(c);
}

// High and low digits of four codes, a byte each.
uvec2 packSignedDigits(uvec4 code)
{
    uvec4 high = ((code & 0xFFFFu) + 128u) >> 8, low = code & 0xFFu;
    return uvec2(high.x | high.y << 8 | high.z << 16 | high.w << 24, low.x | low.y << 8 | low.z << 16 | low.w << 24);
}

// Largest score so far; the factors of what came before and of a code of the stretch; Σ e so far.
struct DigitRow
{
    float maximum;
    float old;
    float unit;
    float total;
};

// Takes a stretch in: its maximum, largest contribution and Σ e. One of the two exponentials is exactly 1.
void addStretch(inout DigitRow row, float maximum, float largest, uint mass)
{
    float around = max(row.maximum, maximum);
    precise float before = row.maximum - around;
    precise float now_ = maximum - around;
    float factor = contractExp(now_);
    row.old = contractExp(before);
    precise float unit = largest * UNIT;
    unit = unit * factor;
    row.unit = unit;
    precise float total = row.total * row.old;
    precise float added = exactSum(int(mass >> 8), int(mass & 255u)) * factor;
    total = total + added;
    row.total = total;
    row.maximum = around;
}

// attended · old + Σ c·v · unit
float addAttended(float attended_, float sum, float old, float unit)
{
    precise float kept = attended_ * old;
    precise float added = sum * unit;
    precise float result = kept + added;
    return canonical(result);
}

// Order of floats as order of signed integers, and back.
int ordered(float v)
{
    int bits = floatBitsToInt(v);
    return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

float unordered(int bits)
{
    return intBitsToFloat(bits ^ ((bits >> 31) & 0x7FFFFFFF));
}

// Bytes of four words turned: word j of the result holds byte j of each.
uvec4 turned(uvec4 v)
{
    uvec2 even = (v.xz & 0x00FF00FFu) | ((v.yw & 0x00FF00FFu) << 8);
    uvec2 odd = ((v.xz >> 8) & 0x00FF00FFu) | (v.yw & 0xFF00FF00u);
    return uvec4((even.x & 0xFFFFu) | (even.y << 16), (odd.x & 0xFFFFu) | (odd.y << 16), (even.x >> 16) | (even.y & 0xFFFF0000u), (odd.x >> 16) | (odd.y & 0xFFFF0000u));
}

int signedDot(uint a, uint b)
{
    return dotPacked4x8EXT(int(a), int(b));
}

#endif

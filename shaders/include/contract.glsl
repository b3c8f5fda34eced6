// The float contract (docs/float-contract.md; Portable.Reference/Arithmetic/Contract.cs holds the same definitions in C#).
// Every result is `precise`: unfused, never re-associated. Division, sqrt, exp of the device are never used.
#ifndef CONTRACT_GLSL
#define CONTRACT_GLSL

const float TINY = 8.6736174e-19;            // 2^-60
const float MINIMUM_SCALE = 5.9604645e-8;    // 2^-24
const float MAXIMUM_SCALE = 16384.0;         // 2^14

// |v| < 2^-60 and -0 become +0.
float canonical(float v)
{
    return abs(v) < TINY ? 0.0 : v;
}

// 1/x for x in 2^-100 ... 2^100: integer seed, three Newton steps.
float reciprocal(float x)
{
    precise float y = uintBitsToFloat(0x7EF311C7u - floatBitsToUint(x));
    for (int i = 0; i < 3; i++)
    {
        precise float t = x * y;
        precise float e = 2.0 - t;
        y = y * e;
    }

    return y;
}

// 1/sqrt(x) for x in 2^-100 ... 2^100.
float reciprocalSquareRoot(float x)
{
    precise float h = 0.5 * x;
    precise float y = uintBitsToFloat(0x5F375A86u - (floatBitsToUint(x) >> 1));
    for (int i = 0; i < 3; i++)
    {
        precise float s = y * y;
        precise float t = h * s;
        precise float e = 1.5 - t;
        y = y * e;
    }

    return y;
}

// e^(x - n·ln 2), n the integer nearest to x/ln 2.
float expOfRemainder(float x, float n)
{
    precise float a = n * 0.693359375;
    precise float r = x - a;
    precise float b = n * -2.12194440e-4;
    r = r - b;
    precise float p = 1.38888889e-3;
    precise float m;
    m = p * r; p = m + 8.33333333e-3;
    m = p * r; p = m + 4.16666667e-2;
    m = p * r; p = m + 1.66666667e-1;
    m = p * r; p = m + 0.5;
    m = p * r; p = m + 1.0;
    m = p * r; p = m + 1.0;
    return p;
}

// e^x, x clamped to -60 ... 60; results below 2^-60 are 0.
float contractExp(float x)
{
    x = min(max(x, -60.0), 60.0);
    precise float scaled = x * 1.44269504;
    float n = roundEven(scaled);
    precise float p = expOfRemainder(x, n);
    precise float y = p * intBitsToFloat((int(n) + 127) << 23);
    return canonical(y);
}

// 1/(1 + e^-x).
float sigmoid(float x)
{
    precise float e = 1.0 + contractExp(-x);
    return reciprocal(e);
}

// tanh x: an odd polynomial below |x| = 0.625, 1 - 2/(e^(2|x|) + 1) with the sign of x above.
float contractTanh(float x)
{
    float magnitude = abs(x);
    precise float z = x * x;
    precise float p = -5.70498872745e-3;
    precise float m;
    m = p * z; p = m + 2.06390887954e-2;
    m = p * z; p = m - 5.37397155531e-2;
    m = p * z; p = m + 1.33314422036e-1;
    m = p * z; p = m - 3.33332819422e-1;
    precise float near = p * z;
    near = near * x;
    near = near + x;
    precise float twice = 2.0 * magnitude;
    precise float e = contractExp(twice) + 1.0;
    precise float rest = 2.0 * reciprocal(e);
    precise float far = 1.0 - rest;
    return magnitude < 0.625 ? near : x < 0.0 ? -far : far;
}

// c·tanh(x/c), canonical; inverse is fl(1/c).
float softcapped(float x, float cap, float inverse)
{
    precise float scaled = x * inverse;
    precise float v = cap * contractTanh(scaled);
    return canonical(v);
}

// The normal distribution function (1 + erf(x/sqrt 2))/2.
float normalDistribution(float x)
{
    precise float y = abs(x) * 0.70710678;
    precise float d = 0.3275911 * y;
    d = 1.0 + d;
    float t = reciprocal(d);
    precise float p = 1.061405429;
    precise float m;
    m = p * t; p = m - 1.453152027;
    m = p * t; p = m + 1.421413741;
    m = p * t; p = m - 0.284496736;
    m = p * t; p = m + 0.254829592;
    precise float square = y * y;
    precise float tail = p * t;
    tail = tail * contractExp(-square);
    tail = 0.5 * tail;
    precise float upper = 1.0 - tail;
    return x < 0.0 ? tail : upper;
}

// sign(v) * floor(|v| + 0.5)
float roundHalfAway(float v)
{
    precise float s = abs(v) + 0.5;
    float magnitude = floor(s);
    return v < 0.0 ? -magnitude : magnitude;
}

// f16 bits -> f32, exact, without the conversions that may flush subnormal halves: v = 2^-15·(1 + m/1024) where the half is
// the subnormal 2^-14·m/1024 = 2v - 2^-14, which is below v there alone. 2v is exact, so fusing changes nothing.
float halfToFloat(uint h)
{
    float v = uintBitsToFloat(((h & 0x7FFFu) << 13) + 0x38000000u);
    float magnitude = min(v, v * 2.0 - 6.1035156e-5);
    return uintBitsToFloat(floatBitsToUint(magnitude) | (h & 0x8000u) << 16);
}

// f32 -> f16 bits, clamped to +-65504, nearest even, subnormals kept; integer form, because packHalf2x16's rounding is unspecified.
uint floatToHalf(float v)
{
    uint bits = floatBitsToUint(v);
    uint sign = (bits >> 16) & 0x8000u;
    uint magnitude = bits & 0x7FFFFFFFu;
    if (magnitude >= 0x477FE000u)               // 65504
    {
        return sign | 0x7BFFu;
    }

    if (magnitude >= 0x38800000u)               // 2^-14: a normal half
    {
        uint rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
        return sign | ((rounded - 0x38000000u) >> 13);
    }

    if (magnitude < 0x33000000u)                // below 2^-25
    {
        return sign;
    }

    uint shift = 126u - (magnitude >> 23);      // 14 ... 24: units of 2^-24
    uint mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    uint kept = mantissa >> shift;
    uint rest = mantissa & ((1u << shift) - 1u);
    uint halfway = 1u << (shift - 1u);
    return sign | (kept + uint(rest > halfway || (rest == halfway && (kept & 1u) != 0u)));
}

#endif

// What training has in common on a device: quotients and roots rounded as the CPU rounds them, and sums of a row in the CPU's shape (eight partial
// sums, element k in partial k mod 8, then pairwise halving: Portable.Reference's RowMath). Needs contract.glsl and WORKGROUP.
#ifndef TRAINING_GLSL
#define TRAINING_GLSL

#define INFINITE uintBitsToFloat(0x7F800000u)
#define NOT_A_NUMBER uintBitsToFloat(0x7FC00000u)

bool isFinite(float v)
{
    return (floatBitsToUint(v) & 0x7FFFFFFFu) < 0x7F800000u;
}

// a/b, rounded once. Vulkan allows a quotient 2.5 units of error: what is left of a is exact in f64, so two steps find the nearest.
float quotient(float a, float b)
{
    float q = a / b;
    if (q == 0.0 || !isFinite(q))
    {
        return q;
    }

    double x = double(a), y = double(b);
    precise double left = x - double(q) * y;
    precise float nearer = q + float(left) / b;
    precise double rest = x - double(nearer) * y;
    if (rest == 0.0LF || nearer == 0.0)
    {
        return nearer;
    }

    // The neighbour towards which something is left.
    bool up = (rest > 0.0LF) == (b > 0.0), grows = up == (nearer > 0.0);
    uint bits = floatBitsToUint(nearer);
    float other = uintBitsToFloat(grows ? bits + 1u : bits - 1u);
    precise double otherRest = x - double(other) * y;
    return abs(otherRest) < abs(rest) ? other : nearer;
}

// The root of x, rounded once: between two neighbours the square of what is halfway decides, which f64 holds exactly.
float squareRoot(float x)
{
    float s = sqrt(x);
    if (s == 0.0 || !isFinite(s) || x < 1e-36)
    {
        return s;
    }

    double wide = double(x);
    precise double left = wide - double(s) * double(s);
    precise float nearer = s + 0.5 * float(left) / s;
    double lower = 0.5LF * (double(nearer) + double(uintBitsToFloat(floatBitsToUint(nearer) - 1u)));
    double upper = 0.5LF * (double(nearer) + double(uintBitsToFloat(floatBitsToUint(nearer) + 1u)));
    precise double below = lower * lower, above = upper * upper;
    return wide > above ? uintBitsToFloat(floatBitsToUint(nearer) + 1u) : wide < below ? uintBitsToFloat(floatBitsToUint(nearer) - 1u) : nearer;
}

#ifdef SUMS
// SUMS sums of one row at a time: terms go to the stage, eight invocations a sum add them.
const uint STAGE = 1024u;
shared float stage[SUMS * STAGE];
shared float laneSums[SUMS * 8];
float laneSum;

void beginSums()
{
    laneSum = 0.0;
}

// Adds the first `count` staged terms of each sum; a stage but the last is whole.
void addStage(uint count)
{
    barrier();
    uint id = gl_LocalInvocationIndex;
    if (id < SUMS * 8u)
    {
        uint at = id / 8u * STAGE;
        for (uint j = id % 8u; j < count; j += 64u)
        {
            float v[8];
            for (uint i = 0u; i < 8u; i++)
            {
                v[i] = j + i * 8u < count ? stage[at + j + i * 8u] : 0.0;
            }

            for (uint i = 0u; i < 8u; i++)
            {
                precise float sum = laneSum + v[i];
                laneSum = sum;
            }
        }
    }

    barrier();
}

void endSums()
{
    if (gl_LocalInvocationIndex < SUMS * 8u)
    {
        laneSums[gl_LocalInvocationIndex] = laneSum;
    }

    barrier();
}

// A sum, known to every invocation after endSums().
float rowSum(uint which)
{
    uint p = which * 8u;
    precise float a = laneSums[p] + laneSums[p + 4u];
    precise float b = laneSums[p + 2u] + laneSums[p + 6u];
    precise float c = laneSums[p + 1u] + laneSums[p + 5u];
    precise float d = laneSums[p + 3u] + laneSums[p + 7u];
    precise float even = a + b;
    precise float odd = c + d;
    precise float all = even + odd;
    return all;
}
#endif

#endif

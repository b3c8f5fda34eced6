// a·b + c rounded once, as the CPU's fused multiply-add gives it. Vulkan lets a device round fma() twice; one that does has EMULATED set and
// computes the exact sum in f64 rounded to odd, which rounding to f32 then makes the nearest (Boldo, Melquiond: 53 ≥ 24 + 2 bits).
#ifndef MULTIPLY_ADD_GLSL
#define MULTIPLY_ADD_GLSL

float multiplyAdd(float a, float b, float c)
{
#ifdef EMULATED
    precise double p = double(a) * double(b);           // exact: 48 bits
    double d = double(c);
    precise double s = p + d;
    precise double t = s - p;                           // what of d is in s
    precise double lost = (p - (s - t)) + (d - t);      // exact: p + d − s
    uvec2 bits = unpackDouble2x32(s);
    if (lost != 0.0LF && (bits.x & 1u) == 0u)
    {
        // Rounded to the even neighbour: the odd one towards the exact sum.
        bool away = (lost > 0.0LF) == (s > 0.0LF);
        bits = away ? uvec2(bits.x | 1u, bits.y) : bits.x == 0u ? uvec2(0xFFFFFFFFu, bits.y - 1u) : uvec2(bits.x - 1u, bits.y);
        s = packDouble2x32(bits);
    }

    return float(s);
#else
    precise float r = fma(a, b, c);
    return r;
#endif
}

#endif

// Quotients, roots and conversions of f64 that are rounded to nearest, ties to even, as the CPU's are. Vulkan promises that of sums, differences and
// products alone: what a device gives is taken for an estimate, and corrected by its exact remainder. Nothing here is subnormal or overflows.
#ifndef EXACT_DOUBLES_GLSL
#define EXACT_DOUBLES_GLSL

// The neighbour of v ≠ 0, above or below it.
double neighbour(double v, bool above)
{
    uvec2 bits = unpackDouble2x32(v);
    if (above == (v > 0.0LF))
    {
        bits = bits.x == 0xFFFFFFFFu ? uvec2(0u, bits.y + 1u) : uvec2(bits.x + 1u, bits.y);
    }
    else
    {
        bits = bits.x == 0u ? uvec2(0xFFFFFFFFu, bits.y - 1u) : uvec2(bits.x - 1u, bits.y);
    }

    return packDouble2x32(bits);
}

// a − q·b for q near a/b, exactly where q is within a step of it (Dekker's product of halves).
double remainderOf(double a, double q, double b)
{
    precise double product = q * b;
    precise double splitQ = q * 134217729.0LF;
    precise double highQ = splitQ - (splitQ - q);
    precise double lowQ = q - highQ;
    precise double splitB = b * 134217729.0LF;
    precise double highB = splitB - (splitB - b);
    precise double lowB = b - highB;
    precise double lost = ((highQ * highB - product) + highQ * lowB + lowQ * highB) + lowQ * lowB;
    precise double rest = (a - product) - lost;
    return rest;
}

// a/b, b ≠ 0.
double exactQuotient(double a, double b)
{
    double q = a / b;
    if (a == 0.0LF || isinf(q) || isnan(q))
    {
        return q;
    }

    for (uint i = 0u; i < 4u; i++)
    {
        double rest = remainderOf(a, q, b);
        if (rest == 0.0LF)
        {
            break;
        }

        // A quotient never lies in the middle of two neighbours.
        double other = neighbour(q, (rest > 0.0LF) == (b > 0.0LF));
        precise double gap = abs(b) * abs(other - q);
        if (abs(rest) <= gap)
        {
            q = 2.0LF * abs(rest) > gap ? other : q;
            break;
        }

        precise double nearer = q + rest / b;
        q = nearer;
    }

    return q;
}

// √v, v > 0.
double exactRoot(double v)
{
    double root = sqrt(v);
    for (uint i = 0u; i < 2u; i++)
    {
        precise double nearer = root + remainderOf(v, root, root) * (0.5LF / root);
        root = nearer;
    }

    // (root ± gap/2)² = root² ± root·gap + gap²/4, and the remainder is a multiple of what is more than gap²/4.
    double rest = remainderOf(v, root, root), above = neighbour(root, true), below = neighbour(root, false);
    precise double up = root * (above - root);
    precise double down = root * (root - below);
    return rest > up ? above : rest <= -down ? below : root;
}

// The nearest f32, ties to even, 0 below its normal numbers. By integers: a device may round conversions as it likes, and a compiler may take
// double(float(v)) for v.
float nearestFloat(double v)
{
    uvec2 bits = unpackDouble2x32(v);
    uint sign = bits.y & 0x80000000u, exponent = (bits.y >> 20) & 0x7FFu, dropped = bits.x & 0x1FFFFFFFu;
    if (exponent <= 896u)
    {
        return uintBitsToFloat(sign);
    }

    if (exponent > 1150u)
    {
        return uintBitsToFloat(sign | 0x7F800000u);
    }

    uint kept = ((exponent - 896u) << 23) + ((bits.y & 0xFFFFFu) << 3) + (bits.x >> 29);
    kept += dropped > 0x10000000u || (dropped == 0x10000000u && (kept & 1u) != 0u) ? 1u : 0u;
    return uintBitsToFloat(sign | kept);
}

// v to the nearest integer, ties to even; |v| < 2^51.
double nearestInteger(double v)
{
    precise double up = v + 6755399441055744.0LF;
    precise double integer = up - 6755399441055744.0LF;
    return integer;
}

// An estimate of 1/v that is good enough for levelOf.
double inverseOf(double v)
{
    double y = 1.0LF / v;
    precise double nearer = y + y * (1.0LF - v * y);
    return nearer;
}

// The quotient w/s rounded to an integer, ties to even or away from zero, within low … high; `inverse` is inverseOf(s).
double levelOf(double w, double s, double inverse, double low, double high, bool away)
{
    precise double q = w * inverse;
    if (!(abs(q) < 1048576.0LF))
    {
        return q > 0.0LF ? high : low;
    }

    double level = nearestInteger(q);
    if (abs(abs(q - level) - 0.5LF) < 1e-6LF)
    {
        // Too near to a tie for an estimate.
        q = exactQuotient(w, s);
        level = nearestInteger(q);
    }

    if (away)
    {
        precise double moved = abs(q) + 0.5LF;
        level = q < 0.0LF ? -floor(moved) : floor(moved);
    }

    return min(max(level, low), high);
}

#endif

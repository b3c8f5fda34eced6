// How matrices are cut into halves (train_split.comp, train_matrix.comp).
#ifndef TRAINING_HALVES_GLSL
#define TRAINING_HALVES_GLSL

const uint DEPTH_STEP = 64u;

// Elements of a row: whole steps.
uint paddedDepth(uint depth)
{
    return (depth + DEPTH_STEP - 1u) / DEPTH_STEP * DEPTH_STEP;
}

// The biased exponent of the factor that brings a magnitude to 2^14 … 2^15; 1 for zeros, and what is not finite stays so.
uint halvesExponent(uint largest)
{
    uint exponent = largest >> 23;
    return exponent == 0u ? 127u : exponent == 255u ? 127u : clamp(127u + 14u + 127u - exponent, 1u, 253u);
}

// 1 over that factor.
float halvesInverse(uint largest)
{
    return uintBitsToFloat((254u - halvesExponent(largest)) << 23);
}

#endif

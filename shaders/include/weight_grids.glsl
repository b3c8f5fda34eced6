// Grids of weights: a value stands for scale·(code − zero), codes minimum … maximum.
#ifndef WEIGHT_GRIDS_GLSL
#define WEIGHT_GRIDS_GLSL

struct WeightGrid
{
    float scale;
    int zero;
    int minimum;
    int maximum;
};

layout(buffer_reference, std430, buffer_reference_align = 16) buffer WeightGrids { WeightGrid v[]; };

const float MINIMUM_SCALE = 5.9604645e-8;
const float MAXIMUM_SCALE = 16384.0;

// The nearest scale: any f32, or one of 11 significant bits; within the contract's range.
float nearestScale(double scale, bool halves)
{
    float clamped = nearestFloat(min(max(scale, double(MINIMUM_SCALE)), double(MAXIMUM_SCALE)));
    uint bits = floatBitsToUint(clamped);
    return halves ? uintBitsToFloat((bits + 0xFFFu + ((bits >> 13) & 1u)) & 0xFFFFE000u) : clamped;
}

#endif

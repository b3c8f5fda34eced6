// The asymmetric quantizer of the runtime as training sees it (Portable.Reference/Training/AffineQuantization.cs). Needs training.glsl and
// workgroup.glsl.
#ifndef AFFINE_GLSL
#define AFFINE_GLSL

struct AffineRange
{
    float scale;
    float reciprocal;
    float zeroPoint;
    float isFree;       // 1 where the clamp of the scale does not act
    float minimum;
    float maximum;
    float clipLow;
    float clipHigh;
};

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Ranges { AffineRange v[]; };

// What a value adds to (−minimum, maximum); infinite where it is no number.
vec2 extremes(vec2 found, float v)
{
    return isFinite(v) ? max(found, vec2(-v, v)) : vec2(INFINITE);
}

// halves: whether the scale is rounded to 11 significant bits.
AffineRange affineRange(vec2 found, float levels, float inverseLevels, float clipLow, float clipHigh, bool halves)
{
    AffineRange range;
    range.minimum = found.x > 0.0 ? -found.x : 0.0;
    range.maximum = found.y > 0.0 ? found.y : 0.0;
    range.clipLow = clipLow;
    range.clipHigh = clipHigh;
    precise float low = clipLow * range.minimum;
    precise float high = clipHigh * range.maximum;
    precise float width = high - low;
    precise float raw = width * inverseLevels;
    float clamped = min(max(raw, MINIMUM_SCALE), MAXIMUM_SCALE);
    uint bits = floatBitsToUint(clamped);
    range.scale = halves ? uintBitsToFloat((bits + 0xFFFu + ((bits >> 13) & 1u)) & 0xFFFFE000u) : clamped;
    range.reciprocal = reciprocal(range.scale);
    precise float zero = -low * range.reciprocal;
    range.zeroPoint = min(max(roundEven(zero), 0.0), levels);
    range.isFree = raw >= MINIMUM_SCALE && raw <= MAXIMUM_SCALE ? 1.0 : 0.0;
    if (!isFinite(found.x) || !isFinite(found.y))
    {
        range.scale = NOT_A_NUMBER;
    }

    return range;
}

float affineCode(float v, float levels, in AffineRange range)
{
    precise float ratio = v * range.reciprocal;
    precise float code = roundEven(ratio) + range.zeroPoint;
    return min(max(code, 0.0), levels);
}

float dequantized(float v, float levels, in AffineRange range)
{
    precise float level = affineCode(v, levels, range) - range.zeroPoint;
    precise float result = level * range.scale;
    return result;
}

// The term of ∂loss/∂scale of one element; its own gradient passes where the code was not clamped.
float affineSlope(float v, inout float gradient, float levels, in AffineRange range)
{
    precise float ratio = v * range.reciprocal;
    precise float code = roundEven(ratio) + range.zeroPoint;
    float clamped = min(max(code, 0.0), levels);
    bool inside = code == clamped;
    precise float level = clamped - range.zeroPoint;
    precise float off = level - ratio;
    precise float term = gradient * (inside ? off : level);
    gradient = inside ? gradient : 0.0;
    return term;
}

#endif

// How the elements that attain the extremes of a row share the gradient of its scale. Needs affine.glsl.
#ifndef AFFINE_SHARE_GLSL
#define AFFINE_SHARE_GLSL

struct Shares
{
    float toLow;        // ∂loss/∂ the lower end
    float toHigh;
    float eachLow;      // what an element that attains it gets
    float eachHigh;
};

// How often the maximum and the minimum occur; a range that ends at the forced 0 belongs to no element.
uvec3 tiesOf(float v, in AffineRange range)
{
    return uvec3(range.maximum != 0.0 && v == range.maximum ? 1u : 0u, range.minimum != 0.0 && v == range.minimum ? 1u : 0u, 0u);
}

Shares sharesOf(float slope, uvec3 ties, float inverseLevels, in AffineRange range)
{
    Shares shares;
    precise float high = slope * inverseLevels;
    shares.toHigh = high;
    shares.toLow = -high;
    precise float ofHigh = shares.toHigh * range.clipHigh;
    precise float ofLow = shares.toLow * range.clipLow;
    shares.eachHigh = ties.x == 0u ? 0.0 : quotient(ofHigh, float(ties.x));
    shares.eachLow = ties.y == 0u ? 0.0 : quotient(ofLow, float(ties.y));
    return shares;
}

float withShares(float v, float gradient, in Shares shares, in AffineRange range)
{
    if (range.maximum != 0.0 && v == range.maximum)
    {
        precise float sum = gradient + shares.eachHigh;
        gradient = sum;
    }

    if (range.minimum != 0.0 && v == range.minimum)
    {
        precise float sum = gradient + shares.eachLow;
        gradient = sum;
    }

    return gradient;
}

#endif

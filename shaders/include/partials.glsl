// The 32 partial sums of an ordered dot product or sum (Contract.OrderedDot), four a vector: added by halves.
#ifndef PARTIALS_GLSL
#define PARTIALS_GLSL

float foldPartials(vec4 partials[8])
{
    precise vec4 folded[8] = partials;
    [[unroll]] for (uint half_ = 4u; half_ > 0u; half_ >>= 1)
    {
        [[unroll]] for (uint i = 0u; i < half_; i++)
        {
            folded[i] = folded[i] + folded[i + half_];
        }
    }

    precise vec2 pair = folded[0].xy + folded[0].zw;
    precise float sum = pair.x + pair.y;
    return sum;
}

#endif

// Writing one head of one token to the cache, at its place (pages.glsl); the layout is drawn in attention.glsl.
#ifndef CACHE_GLSL
#define CACHE_GLSL

void storeCached(bool isKey, uint place, uint word, uint packed)
{
    if (isKey)
    {
        keys.v[(place / CHUNK * HEAD_WORDS + word) * CHUNK + place % CHUNK] = packed;
    }
    else
    {
        values.v[place * HEAD_WORDS + word] = packed;
    }
}

// Of 16-bit codes.
void storeScale(bool isKey, uint place, float scale)
{
    parameters.v[(isKey ? 0u : planeTokens()) + place] = floatBitsToUint(scale);
}

// Of 2 … 8-bit codes.
void storeParameters(bool isKey, uint place, float scale, uint zero, uint sum)
{
    uint plane = planeTokens(), at = place + (isKey ? 0u : 2u * plane);
    parameters.v[at] = floatBitsToUint(scale);
    parameters.v[at + plane] = isKey ? zero | sum << 8 : zero;
}

#endif

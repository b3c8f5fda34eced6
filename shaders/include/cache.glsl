// Writing one head of one token to the cache; the layout is drawn in attention.glsl.
#ifndef CACHE_GLSL
#define CACHE_GLSL

void storeCached(bool isKey, uint slot, uint position, uint word, uint packed)
{
    uint t = tokenPlace(shape, position);
    if (isKey)
    {
        keys.v[((slot * shape.chunks + t / CHUNK) * HEAD_WORDS + word) * CHUNK + t % CHUNK] = packed;
    }
    else
    {
        values.v[(slot * shape.chunks * CHUNK + t) * HEAD_WORDS + word] = packed;
    }
}

// Of 16-bit codes.
void storeScale(bool isKey, uint slot, uint position, float scale)
{
    uint t = tokenPlace(shape, position);
    parameters.v[(isKey ? 0u : shape.slots * shape.chunks * CHUNK) + slot * shape.chunks * CHUNK + t] = floatBitsToUint(scale);
}

// Of 2 … 8-bit codes.
void storeParameters(bool isKey, uint slot, uint position, float scale, uint zero, uint sum)
{
    uint plane = shape.slots * shape.chunks * CHUNK;
    uint at = slot * shape.chunks * CHUNK + tokenPlace(shape, position) + (isKey ? 0u : 2u * plane);
    parameters.v[at] = floatBitsToUint(scale);
    parameters.v[at + plane] = isKey ? zero | sum << 8 : zero;
}

#endif

// The tokens' queries, keys and values where an earlier dispatch has left them: what heads.glsl reads, of `qkv`.
#ifndef NEW_HEADS_GLSL
#define NEW_HEADS_GLSL

float newValue(uint at)
{
    return qkv.v[at];
}

vec2 newPair(uint atA, uint atB)
{
    return vec2(qkv.v[atA], qkv.v[atB]);
}

void awaitNew(uint first, uint count)
{
}

void awaitedBarrier()
{
}

#endif

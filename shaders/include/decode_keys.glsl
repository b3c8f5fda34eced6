// The words of one cached key, an invocation a key, KEY_BATCH of them in flight.
#ifndef DECODE_KEYS_GLSL
#define DECODE_KEYS_GLSL

const uint KEY_BATCH = HEAD_WORDS < 32u ? HEAD_WORDS : 32u;

shared uint keyWords[HEAD_WORDS];       // the token's own key, which the cache need not hold yet

uint kvHead, now;
uint keyBatch[KEY_BATCH];

void loadKey(uint t, uint firstWord)
{
    uint base = (chunkPlace(kvHead, t / CHUNK) * HEAD_WORDS + firstWord) * CHUNK + t % CHUNK;
    [[unroll]] for (uint i = 0u; i < KEY_BATCH; i++)
    {
        if (firstWord + i < HEAD_WORDS)
        {
            keyBatch[i] = keys.v[base + i * CHUNK];
        }
    }
}

// The token's own key is not read from the cache, where another workgroup may write it now: a neighbour in its place, which is replaced.
uint cachedKey(uint t)
{
    return t == now ? t ^ 1u : t;
}

// Loads a batch unless it is the first, which is loaded already.
void needKey(uint t, uint firstWord)
{
    if (firstWord > 0u)
    {
        loadKey(cachedKey(t), firstWord);
    }

    if (t == now)
    {
        [[unroll]] for (uint i = 0u; i < KEY_BATCH; i++)
        {
            keyBatch[i] = keyWords[min(firstWord + i, HEAD_WORDS - 1u)];
        }
    }
}

#endif

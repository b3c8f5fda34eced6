// Constants and cache layout of the attention shaders. Needs contract.glsl, attention_shape.glsl.
//
// A page holds 64 tokens of one sequence. Keys of a page and KV head lie word-major, so that 64 invocations with a key each read side by
// side; values lie token-major, so that invocations with a word each do:
//   keys[((head·pages + page)·HEAD_WORDS + word)·64 + t%64]      values[((head·pages + page)·64 + t%64)·HEAD_WORDS + word]
// pages.glsl finds the page. Words of 16-bit codes: all of a head's high digits, four a word, then its low digits. `parameters` keeps per
// token and head, in planes of heads·pages·64 words: scale of k, (zero of k | Σ codes of k << 8), scale of v, zero of v; of 16-bit codes
// scale of k, scale of v.
#ifndef ATTENTION_GLSL
#define ATTENTION_GLSL

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint HEAD_SIZE = 128;
layout(constant_id = 2) const uint KV_BITS = 8;             // 2 … 8, or 16: two digits
layout(constant_id = 3) const uint FIELD_BITS = 8;          // 2, 4, 8 (16 for two digits)
layout(constant_id = 4) const float INVERSE_LEVELS = 0.0;   // fl(1/(2^KV_BITS − 1)), fl(1/32639)
layout(constant_id = 5) const float SCORE_SCALE = 0.0;      // of the scores
layout(constant_id = 6) const float SOFTCAP = 0.0;          // c of c·tanh(score/c); 0: none
layout(constant_id = 16) const float INVERSE_SOFTCAP = 0.0; // fl(1/c)
layout(constant_id = 17) const uint WINDOW = 0;             // positions that a token sees, its own included; 0: all before it
layout(constant_id = 18) const bool WRAPS = false;          // later positions take the places of those chunks·64 before them
layout(constant_id = 25) const bool PAGED = false;          // sequences share the pages by a table; else each has its own, one after the other

// The first position that a token sees.
uint firstSeen(uint position)
{
    return WINDOW > 0u && position >= WINDOW ? position - WINDOW + 1u : 0u;
}

// Whether a token at a position sees another; none behind `last`.
bool sees(uint position, uint t, uint last)
{
    return t <= min(position, last) && (WINDOW == 0u || t >= firstSeen(position));
}

// Chunks that a row sees at most; a window may begin and end in one place of a cache that wraps.
uint seenChunks(AttentionShape shape)
{
    return WINDOW == 0u ? shape.chunks : min((WINDOW + CHUNK - 2u) / CHUNK + 1u, shape.chunks + 1u);
}

// A score as it is compared.
float cappedScore(float score)
{
    float s = canonical(score);
    return SOFTCAP != 0.0 ? softcapped(s, SOFTCAP, INVERSE_SOFTCAP) : s;
}

#endif

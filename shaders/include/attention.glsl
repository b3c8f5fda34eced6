// Bindings, sizes and cache layout of the attention shaders.
//
// Keys of a (sequence, KV head) lie in chunks of 64 tokens, word-major inside a chunk, so that 64 invocations with a key each
// read side by side; values lie token-major, so that invocations with a word each do:
//   keys[((slot·chunks + t/64)·HEAD_WORDS + word)·64 + t%64]      values[(slot·chunks·64 + t)·HEAD_WORDS + word]
// with slot = sequence·kvHeads + head. Words of 16-bit codes: all of a head's high digits, four a word, then its low digits. `parameters`
// keeps per token and head, in planes of slots·chunks·64 words: scale of k, (zero of k | Σ codes of k << 8), scale of v, zero of v;
// of 16-bit codes scale of k, scale of v.
#ifndef ATTENTION_GLSL
#define ATTENTION_GLSL

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint HEAD_SIZE = 128;
layout(constant_id = 2) const uint KV_BITS = 8;             // 2 … 8, or 16: two digits
layout(constant_id = 3) const uint FIELD_BITS = 8;          // 2, 4, 8 (16 for two digits)
layout(constant_id = 4) const float INVERSE_LEVELS = 0.0;   // fl(1/(2^KV_BITS − 1)), fl(1/32639)
layout(constant_id = 5) const float SCORE_SCALE = 0.0;      // of the scores
layout(constant_id = 6) const bool ROTARY = true;

#endif

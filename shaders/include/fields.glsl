// Fields of a quantized KV cache and the arithmetic of a score and of a weighted sum over them (docs/float-contract.md).
#ifndef FIELDS_GLSL
#define FIELDS_GLSL

// Codes lie in fields of 2, 4 or 8 bits; field s of byte j of word w is code w·(32/FIELD) + 4·s + j, so that
// (word >> FIELD·s) & mask is the packed word of four consecutive codes.
const uint CODES_PER_WORD = 32u / FIELD_BITS;
const uint PHASES = 8u / FIELD_BITS;
const uint FIELD_MASK = FIELD_BITS == 8u ? 0xFFFFFFFFu : FIELD_BITS == 4u ? 0x0F0F0F0Fu : 0x03030303u;
const uint HEAD_WORDS = (HEAD_SIZE + CODES_PER_WORD - 1u) / CODES_PER_WORD;   // packed words of a head
const uint BYTE_WORDS = HEAD_WORDS * PHASES;                                  // the same at one byte a code

// Score of a query (scale, zero point, Σ codes) and a key: canonical(((float)I·(sq·sk))·SCORE_SCALE), I = Σ (q − zq)(k − zk).
float integerScore(uint dot_, uvec4 q, float keyScale, uint keyZeroAndSum)
{
    int keyZero = int(keyZeroAndSum & 255u), keySum = int(keyZeroAndSum >> 8);
    int i = int(dot_) - keyZero * int(q.z) - int(q.y) * keySum + int(HEAD_SIZE) * keyZero * int(q.y);
    precise float scale = uintBitsToFloat(q.x) * keyScale;
    precise float score = float(i) * scale;
    score = score * SCORE_SCALE;
    return cappedScore(score);
}

// 16-bit code of p·(sv/SV); adds the code of p to total.
uint probabilityCode(float score, float maximum, float valueScale, float inverseMaximumScale, inout uint total)
{
    precise float below = score - maximum;
    float p = contractExp(below);
    precise float e = p * 65535.0;
    total += uint(roundEven(e));
    precise float ratio = valueScale * inverseMaximumScale;
    precise float scaled = p * ratio;
    precise float c = scaled * 65535.0;
    return min(uint(roundEven(c)), 65535u);
}

// canonical((N·SV)·(1/D)), N = 256·high + low.
float attendedValue(int high, int low, float valueScale, float inverseTotal)
{
    precise float n = float(high) * 256.0;
    n = n + float(low);
    precise float v = n * valueScale;
    v = v * inverseTotal;
    return canonical(v);
}

// Bytes of four words turned: word j of the result holds byte j of each.
uvec4 turned(uvec4 v)
{
    uvec2 even = (v.xz & 0x00FF00FFu) | ((v.yw & 0x00FF00FFu) << 8);
    uvec2 odd = ((v.xz >> 8) & 0x00FF00FFu) | (v.yw & 0xFF00FF00u);
    return uvec4((even.x & 0xFFFFu) | (even.y << 16), (odd.x & 0xFFFFu) | (odd.y << 16), (even.x >> 16) | (even.y & 0xFFFF0000u), (odd.x >> 16) | (odd.y & 0xFFFF0000u));
}

#endif

// What the epilogue needs of a channel and of a token, in one group, fetched before the sums are there. Needs matmul.glsl.
#ifndef GROUP_TERMS_GLSL
#define GROUP_TERMS_GLSL

struct Channel {
    float scale;
    int zero, sum;
};

struct Token {
    float scale;
    int zero, sum, highSum;
};

Channel channelOf(uint g, uint n) {
    Channel c;
    c.scale = OUTPUT == 0 ? weightScale(g, n) : 0.0;
    c.zero = weightZero(g, n);
    c.sum = needsWeightSums() ? arg.wSums.v[g * paddedN() + n] : 0;
    return c;
}

Token tokenAt(uint g, uint m, uint groups) {
    Token t;
    t.scale = OUTPUT == 0 ? activationScale(g, m) : 0.0;
    t.zero = tokenZero(g, m);
    t.sum = ZW != 0 ? arg.xSums.v[m * groups + g] : 0;
    t.highSum = ZW != 0 && DIGITS == 2 ? arg.xHighSums.v[m * groups + g] : 0;
    return t;
}

#endif

// The head's table, the hidden rows and where logits go: head.comp and head_tile.comp. Needs contract.glsl and buffers.glsl.
#ifndef HEAD_LOGITS_GLSL
#define HEAD_LOGITS_GLSL
#include "table.glsl"
#include "partials.glsl"

layout(constant_id = 5) const bool WIDE = false;        // 16-bit elements, columns a multiple of 8
layout(constant_id = 6) const float SOFTCAP = 0.0;      // c of c·tanh(logit/c); 0: none
layout(constant_id = 7) const float INVERSE_SOFTCAP = 0.0;  // fl(1/c)

layout(push_constant) uniform Push
{
    InFloats hidden;
    InWords table;
    Floats logits;
    uint columns;
    uint vocabulary;
    uint tokenCount;
};

// One 16-bit element where WIDE. A half's -0 need not become +0 here: no partial sum is -0, so adding either changes none.
float wideWeight(uint element)
{
    return TABLE_TYPE == TABLE_FLOAT16 ? halfToFloat(element) : tableHalf(TABLE_TYPE, element);
}

// Column k of a row otherwise; 0 past the end, which adds +0 or -0 and so changes no sum.
float narrowWeight(uint row, uint k)
{
    return k < columns ? tableElement(TABLE_TYPE, table, row * columns + k) : 0.0;
}

// A hidden value likewise.
float narrowHidden(uint token, uint k)
{
    return k < columns ? hidden.v[token * columns + k] : 0.0;
}

// Folds the 32 partial sums of a logit and stores it.
void storeLogit(vec4 sums[8], uint token, uint row)
{
    float logit = canonical(foldPartials(sums));
    logits.v[token * vocabulary + row] = SOFTCAP != 0.0 ? softcapped(logit, SOFTCAP, INVERSE_SOFTCAP) : logit;
}

#endif

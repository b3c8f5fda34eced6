// Results of four neighbouring channels of a token at a time: one load, one store. Where rows of y allow it (storesQuads).
#ifndef STORE_QUADS_GLSL
#define STORE_QUADS_GLSL
#extension GL_EXT_buffer_reference_uvec2 : require

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InQuads { vec4 v[]; };

// May alias itself: what is read for the next store stays behind the last one, so that a compiler keeps few of them in registers.
layout(buffer_reference, std430, buffer_reference_align = 16) buffer ResultQuads { vec4 v[]; };

bool storesQuads() {
    return (arg.flags & HALF) == 0 && ((arg.n | arg.yStride) & 3) == 0 && ((uvec2(arg.y).x | uvec2(arg.bias).x) & 15) == 0;
}

uint quadAt(uint m, uint n) {
    return (m * arg.yStride + n) >> 2;
}

vec4 biasQuad(uint n) {
    return (arg.flags & BIAS) != 0 ? InQuads(uvec2(arg.bias)).v[n >> 2] : vec4(0.0);
}

vec4 residualQuad(uint m, uint n) {
    return (arg.flags & RESIDUAL) != 0 ? ResultQuads(uvec2(arg.y)).v[quadAt(m, n)] : vec4(0.0);
}

void storeQuad(uint m, uint n, vec4 sums, vec4 biases, vec4 residuals) {
    vec4 results;
    [[unroll]] for (uint i = 0; i < 4; i++) {
        results[i] = finished(sums[i], biases[i], residuals[i]);
    }
    ResultQuads(uvec2(arg.y)).v[quadAt(m, n)] = results;
}

#endif

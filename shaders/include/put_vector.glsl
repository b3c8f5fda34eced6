// Codes on their way into matrices. Needs `tiles` in shared memory and VECTOR_CODES.
#ifndef PUT_VECTOR_GLSL
#define PUT_VECTOR_GLSL

// Writes codes 16·v … 16·v+15 of a row that starts at vector `row`.
void putVector(uint row, uint v, uvec4 codes) {
    if (VECTOR_CODES == 8) {
        tiles[row + v * 2] = uvec4(codes.xy, 0, 0);
        tiles[row + v * 2 + 1] = uvec4(codes.zw, 0, 0);
    } else {
        tiles[row + v] = codes;
    }
}

#endif

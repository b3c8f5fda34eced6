// Scales and zero points of packed weights as they are stored: two scales a word where they are halves, zero points (those of
// codes as they are stored, weights.glsl) two or one a byte. Needs BITS.
#ifndef WEIGHT_SCALES_GLSL
#define WEIGHT_SCALES_GLSL

layout(constant_id = 40) const bool HALF_SCALES = false; // a positive normal half h for the scale h · 2^-10; otherwise f32

// The word that holds a scale.
uint scaleWord(uint at) {
    return HALF_SCALES ? at >> 1 : at;
}

// A scale from its word: of a normal half the bits of h · 2^-10 are a shift and an addition, exact on every device.
float scaleIn(uint word, uint at) {
    if (HALF_SCALES) {
        uint h = (at & 1u) != 0u ? word >> 16 : word & 0xffffu;
        return uintBitsToFloat((h << 13) + (102u << 23));
    }
    return uintBitsToFloat(word);
}

// The word that holds a zero point, and the zero point: unsigned fields of four bits for codes of up to four, signed bytes for others.
uint zeroWord(uint at) {
    return BITS <= 4u ? at >> 3 : at >> 2;
}

int zeroIn(uint word, uint at) {
    return BITS <= 4u ? int(bitfieldExtract(word, int((at & 7u) * 4u), 4)) : bitfieldExtract(int(word), int((at & 3u) * 8u), 8);
}

#endif

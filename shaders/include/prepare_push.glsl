// Modes and sizes of a quantizer, shared by the shaders that quantize.
#ifndef PREPARE_PUSH_GLSL
#define PREPARE_PUSH_GLSL

const uint MODE_SYMMETRIC = 0u;
const uint MODE_ASYMMETRIC = 1u;
const uint MODE_STATIC = 2u;
const uint MODE_FLOAT = 3u;

// Sizes of one quantizer; the host's QuantizerConstants.
struct Quantizer
{
    uint columns;           // K of the source
    uint groupColumns;      // real columns of a group
    uint groupWords;        // words of four codes in a group's blocks
    uint groups;
    uint rowWords;          // words of a row
    uint scales;            // scales of a row: groups, or 1 for the whole token
    float inverseLevels;    // 1/Q, 1/L; static: 1/s
    float staticScale;
};

// Where the codes of a batch go: what a matmul reads (include/matmul.glsl). Every byte is a signed stored code = code − offset
// (offset 128 for unsigned 8-bit codes and for the low digits of 16-bit codes, otherwise 0); padding is 0; zero points are stored
// with the same offset. 16-bit codes are two digits; the high digits follow `capacity` rows of low ones.
struct Prepared
{
    Words codes;            // four bytes a word, [(digit × capacity + row) × rowWords + word]
    Floats scales;          // [row × scales + index]
    Integers zeros;         // like scales
    Integers sums;          // Σ stored codes, [(digit × capacity + row) × groups + group]
    uint capacity;
    uint unused;
};

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InMap { ivec4 v[]; };    // source, offset, limit

#endif

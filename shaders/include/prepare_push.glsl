// Sizes of a quantizer, shared by the shaders that leave codes in memory.
#ifndef PREPARE_PUSH_GLSL
#define PREPARE_PUSH_GLSL
#include "row_codes.glsl"

layout(constant_id = 40) const uint SCALE_SPAN = 1;  // groups that share a scale, where a row has several

// Sizes of one quantizer; the host's QuantizerConstants.
struct Quantizer
{
    uint columns;           // K of the source
    uint groupColumns;      // real columns of a group
    uint groupWords;        // words of four codes in a group's blocks
    uint groups;
    uint rowWords;          // words of a row
    uint scales;            // scales of a row: one for SCALE_SPAN groups, or 1 for the whole token
    float inverseLevels;    // 1/Q, 1/L; static: 1/s
    float staticScale;
};

// Where the codes of a batch go: what a matmul reads (Portable.Vulkan ActivationAddresses). Bytes are signed: unsigned 8-bit
// codes and the low digits of 16-bit codes are stored minus 128; padding is 0. Sums and zero points are the codes' own.
struct Prepared
{
    Words codes;            // four bytes a word, in tiles of 8 rows × 64 columns; the low digits of 16-bit codes
    Words highCodes;        // high digits
    Words scales;           // f32 bits and zero point, [(row × scales + index) × 2]
    Integers sums;          // Σ codes (or low digits), [row × groups + group]
    Integers highSums;
};

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InMap { ivec4 v[]; };    // source, offset, limit

#endif

// Quantized activations in device memory (Portable.Reference QuantizedActivations), written by quantizers, read by matmuls:
// codes four to a word in the padded layout, then for 16-bit codes the high digits in a second plane of the same size.
#ifndef ACTIVATIONS_GLSL
#define ACTIVATIONS_GLSL

// Padded position of byte i of a row's word.
uint activationColumn(uint word, uint i)
{
    return word * 4u + i;
}

#endif

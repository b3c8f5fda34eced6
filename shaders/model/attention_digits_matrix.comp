#version 460
// Matrices 16 codes deep or deeper.
#extension GL_GOOGLE_include_directive : require
#include "attention_digits_matrix.glsl"

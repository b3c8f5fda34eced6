#version 460
// Matrices 8 codes deep.
#extension GL_GOOGLE_include_directive : require
#define SHALLOW
#include "attention_digits_matrix.glsl"

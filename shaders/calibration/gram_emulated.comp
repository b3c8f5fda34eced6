#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define EMULATED
#include "contract.glsl"
#include "buffers.glsl"
#include "float_gemm.glsl"
#include "gram_main.glsl"

#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

#include "contract.glsl"
#include "buffers.glsl"
#include "float_gemm.glsl"
#include "float_gemm_main.glsl"

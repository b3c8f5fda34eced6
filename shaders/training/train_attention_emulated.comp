#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference_uvec2 : require
#define EMULATED
#include "contract.glsl"
#include "buffers.glsl"
#include "float_gemm.glsl"
#include "training_attention.glsl"

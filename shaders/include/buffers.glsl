// Device memory by address. `In…` is read only by the shader that names it so.
#ifndef BUFFERS_GLSL
#define BUFFERS_GLSL
#extension GL_EXT_buffer_reference : require

layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer InWords { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer InFloats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InVectors { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InQuads { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Integers { int v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Vectors { uvec4 v[]; };

// Written by one workgroup and read by another of the same dispatch.
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer SharedFloats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer SharedQuads { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer SharedWords { uint v[]; };

#endif

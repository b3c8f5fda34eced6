// Device memory of f64.
#ifndef DOUBLES_GLSL
#define DOUBLES_GLSL

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InDoubles { double v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer Doubles { double v[]; };

#ifdef WORKGROUP_DOUBLES
#extension GL_KHR_memory_scope_semantics : require
// Written by one invocation of a workgroup and read by another behind a bufferBarrier.
layout(buffer_reference, std430, buffer_reference_align = 8) workgroupcoherent buffer WorkgroupDoubles { double v[]; };
#endif

#endif

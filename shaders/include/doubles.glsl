// Device memory of f64.
#ifndef DOUBLES_GLSL
#define DOUBLES_GLSL

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InDoubles { double v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer Doubles { double v[]; };

#endif

// Device memory of f64.
#ifndef DOUBLES_GLSL
#define DOUBLES_GLSL
#extension GL_EXT_buffer_reference_uvec2 : require

layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InDoubles { double v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer Doubles { double v[]; };

// Address of an element. Compilers may count the bytes behind an address in 32 bits: matrices of more than 4 GiB are reached from their elements.
uvec2 elementAddress(uvec2 base, uint index)
{
    uint carry, low = uaddCarry(base.x, index << 3, carry);
    return uvec2(low, base.y + (index >> 29) + carry);
}

InDoubles elementsFrom(InDoubles matrix, uint index)
{
    return InDoubles(elementAddress(uvec2(matrix), index));
}

Doubles targetsFrom(Doubles matrix, uint index)
{
    return Doubles(elementAddress(uvec2(matrix), index));
}

#ifdef WORKGROUP_DOUBLES
#extension GL_KHR_memory_scope_semantics : require
// Written by one invocation of a workgroup and read by another behind a bufferBarrier.
layout(buffer_reference, std430, buffer_reference_align = 8) workgroupcoherent buffer WorkgroupDoubles { double v[]; };
#endif

#endif

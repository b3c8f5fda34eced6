#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"

// How often every column takes which magnitude, on top of what is there; workgroup (columns, stretch of rows). The bins are those of
// Portable.Reference's MagnitudeHistograms: sixteen an octave from 2^-20, 40 octaves.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint STRETCH = 64;

const int BINS = 640;
const int LOWEST = (127 - 20) << 4;

layout(push_constant) uniform Push
{
    InWords x;
    Words counts;       // columns × BINS
    uint columns;
    uint rows;
};

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex;
    if (column >= columns)
    {
        return;
    }

    uint end = min(rows, (gl_WorkGroupID.y + 1u) * STRETCH);
    for (uint row = gl_WorkGroupID.y * STRETCH; row < end; row++)
    {
        // The bits above the fourth of the mantissa are exponent and sixteenth of the octave.
        int bin = int((x.v[row * columns + column] & 0x7FFFFFFFu) >> 19) - LOWEST;
        atomicAdd(counts.v[column * uint(BINS) + uint(clamp(bin, 0, BINS - 1))], 1u);
    }
}

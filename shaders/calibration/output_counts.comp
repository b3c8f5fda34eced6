#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "doubles.glsl"

// Histograms of exact and of approximate outputs, on top of what is there, as Portable.Reference's HistogramDivergence has them; approximate ones are
// multiplied by factors of their columns first, in place. A workgroup counts a stretch of values.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint STRETCH = 65536;
layout(constant_id = 2) const bool SCALES = false;

const uint BINS = 2048u;

layout(push_constant) uniform Push
{
    InFloats exact;
    Floats approximate;
    InFloats factors;   // columns
    InDoubles range;    // the smallest exact value, bins of a unit
    Words counts;       // BINS of exact values, BINS of approximate ones
    uint columns;
    uint values;        // rows × columns
};

shared uint counted[2u * BINS];

uint binOf(float v)
{
    precise double above = double(v) - range.v[0];
    precise double bin = above * range.v[1];
    return uint(clamp(bin, 0.0LF, double(BINS - 1u)));
}

void main()
{
    for (uint i = gl_LocalInvocationIndex; i < 2u * BINS; i += WORKGROUP)
    {
        counted[i] = 0u;
    }

    barrier();
    uint end = min(values, (gl_WorkGroupID.x + 1u) * STRETCH);
    for (uint i = gl_WorkGroupID.x * STRETCH + gl_LocalInvocationIndex; i < end; i += WORKGROUP)
    {
        float y = approximate.v[i];
        if (SCALES)
        {
            precise float scaled = y * factors.v[i % columns];
            y = scaled;
            approximate.v[i] = y;
        }

        atomicAdd(counted[binOf(exact.v[i])], 1u);
        atomicAdd(counted[BINS + binOf(y)], 1u);
    }

    barrier();
    for (uint i = gl_LocalInvocationIndex; i < 2u * BINS; i += WORKGROUP)
    {
        if (counted[i] > 0u)
        {
            atomicAdd(counts.v[i], counted[i]);
        }
    }
}

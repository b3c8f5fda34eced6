#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "contract.glsl"
#include "prepare_push.glsl"

// Plain linear: one invocation per output, codes one at a time.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint WEIGHT_BITS = 4;
layout(constant_id = 2) const bool WEIGHT_SIGNED = false;
layout(constant_id = 3) const uint CODE_BITS = 8;
layout(constant_id = 4) const bool CODE_SIGNED = true;
layout(constant_id = 5) const bool RESIDUAL = false;
layout(push_constant) uniform Push
{
    InWords codes; InWords highCodes; InWords scales; Integers sums; Integers highSums;
    InWords weights; InFloats weightScales; InWords weightZeros; Integers weightSums; InFloats bias; Floats y;
    uint stride; uint column; uint n; uint columns; uint groupColumns; uint blocksPerGroup; uint blocks; uint groupsAndScales; uint offset;
};

int code(uint word, uint i, bool isSigned, uint bits)
{
    return isSigned ? bitfieldExtract(int(word), int(8u * i), 8) : int(bitfieldExtract(word, int(8u * i), 8));
}

void main()
{
    uint channel = gl_GlobalInvocationID.x, m = gl_WorkGroupID.y;
    if (channel >= n) return;
    uint groups = groupsAndScales & 0xFFFFu, scaleCount = groupsAndScales >> 16;
    precise float sum = 0.0;
    for (uint g = 0u; g < groups; g++)
    {
        uint first = g * blocksPerGroup, end = min(first + blocksPerGroup, blocks);
        if (g == groups - 1u) end = blocks;
        int acc = 0, accHigh = 0;
        for (uint b = first; b < end; b++)
            for (uint c = 0u; c < 64u; c++)
            {
                int w = 0;
                for (uint p = 0u; p < WEIGHT_BITS; p++)
                {
                    uint bit = (weights.v[((channel * blocks + b) * WEIGHT_BITS + p) * 2u + (c >> 5)] >> (c & 31u)) & 1u;
                    int weight = 1 << p;
                    if (WEIGHT_SIGNED && p == WEIGHT_BITS - 1u) weight = -weight;
                    w += int(bit) * weight;
                }
                uint at = (m * blocks + b) * 16u + c / 4u;
                acc += w * (code(codes.v[at], c & 3u, true, CODE_BITS) + int(offset));
                if (CODE_BITS == 16u) accHigh += w * code(highCodes.v[at], c & 3u, true, CODE_BITS);
            }
        int kg = int(g == groups - 1u ? columns - g * groupColumns : groupColumns);
        uint si = m * scaleCount + (scaleCount == 1u ? 0u : g);
        float sx = uintBitsToFloat(scales.v[si * 2u]);
        int zx = int(scales.v[si * 2u + 1u]);
        uint wi = channel * groups + g;
        int zw = int(weightZeros.v[wi]);
        precise float p = sx * weightScales.v[wi];
        int i = acc - zw * sums.v[m * groups + g] - zx * weightSums.v[wi] + kg * zx * zw;
        precise float f = float(i);
        if (CODE_BITS == 16u)
        {
            int h = accHigh - zw * highSums.v[m * groups + g];
            precise float fh = float(h) * 256.0;
            f = fh + f;
        }
        precise float t = f * p;
        sum = sum + t;
    }
    sum = sum + bias.v[channel];
    sum = canonical(sum);
    if (RESIDUAL) { sum = y.v[m * stride + column + channel] + sum; sum = canonical(sum); }
    y.v[m * stride + column + channel] = sum;
}

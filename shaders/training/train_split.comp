#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "contract.glsl"
#include "buffers.glsl"

// A matrix as two halves of every element, v·s = high + low + at most 2^-22 of it, for products of cooperative matrices: a row of the result holds
// DEPTH_STEP·⌈depth/DEPTH_STEP⌉ elements along K, zeros behind the last, and the low halves follow all high ones. s is the power of two that
// brings the largest magnitude to 2^14 … 2^15. Transposed, K lies along the columns of the matrix. A workgroup has 64 × 64 elements.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
layout(constant_id = 1) const uint TABLE_TYPE = 0;
layout(constant_id = 2) const bool TRANSPOSED = false;
#include "training_table.glsl"
#include "training_halves.glsl"

layout(push_constant) uniform Push
{
    InWords x;
    InWords largest;
    Words halves;
    uint rows;              // of the matrix
    uint columns;
};

const uint TILE = 64u;
shared float tile[TILE * (TILE + 1u)];

void main()
{
    uint row0 = gl_WorkGroupID.y * TILE, column0 = gl_WorkGroupID.x * TILE;
    float scale = uintBitsToFloat(halvesExponent(largest.v[0]) << 23);
    for (uint i = gl_LocalInvocationIndex; i < TILE * TILE; i += WORKGROUP)
    {
        uint r = i / TILE, c = i % TILE, row = row0 + r, column = column0 + c;
        float v = row < rows && column < columns ? tableValue(x, TABLE_TYPE, row * columns + column) * scale : 0.0;
        tile[TRANSPOSED ? c * (TILE + 1u) + r : r * (TILE + 1u) + c] = v;
    }

    barrier();
    uint n = TRANSPOSED ? columns : rows, depth = paddedDepth(TRANSPOSED ? rows : columns);
    uint n0 = TRANSPOSED ? column0 : row0, k0 = TRANSPOSED ? row0 : column0;
    for (uint i = gl_LocalInvocationIndex; i < TILE * TILE / 2u; i += WORKGROUP)
    {
        uint r = i / (TILE / 2u), c = i % (TILE / 2u) * 2u;
        if (n0 + r < n && k0 + c < depth)
        {
            vec2 v = vec2(tile[r * (TILE + 1u) + c], tile[r * (TILE + 1u) + c + 1u]);
            uint high = packHalf2x16(v);
            precise vec2 rest = v - unpackHalf2x16(high);
            uint at = ((n0 + r) * depth + k0 + c) / 2u;
            halves.v[at] = high;
            halves.v[at + n * (depth / 2u)] = packHalf2x16(rest);
        }
    }
}

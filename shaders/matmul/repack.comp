// Bit planes as the host keeps them (BitPlaneMatrix) to the device layout (weights.glsl): one invocation per row and chunk
// of 32 codes. Runs once per upload.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint BITS = 4;

layout(buffer_reference, std430, buffer_reference_align = 4) readonly restrict buffer Source { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) writeonly restrict buffer Target { uint v[]; };
layout(push_constant) uniform Arguments {
    Source planes; // word [((row·blocks + block)·BITS + plane)·2 + half]
    Target tiles;
    uint rows, blocks;
    uint firstRow; // row of the target that source row 0 becomes
    uint flip; // all ones: the top plane is inverted (see weights.glsl)
} arg;

// Bit 4·i + c to bit 8·c + i.
uint transposed(uint p) {
    uint t = 0;
    [[unroll]] for (int i = 0; i < 8; i++) {
        t |= ((((p >> (4 * i)) & 15u) * 0x00204081u) & 0x01010101u) << i;
    }
    return t;
}

void main() {
    uint chunks = arg.blocks * 2;
    uint row = gl_GlobalInvocationID.y, chunk = gl_GlobalInvocationID.x;
    if (chunk >= chunks || row >= arg.rows) {
        return;
    }
    uint block = chunk >> 1, h = chunk & 1;
    uint t[8];
    [[unroll]] for (int j = 0; j < BITS; j++) {
        t[j] = transposed(arg.planes.v[((row * arg.blocks + block) * BITS + j) * 2 + h]);
    }
    t[BITS - 1] ^= arg.flip;

    uint n = arg.firstRow + row, lane = n & 31;
    uint tile = ((n >> 5) * arg.blocks + block) * 64 * BITS; // in words
    if (BITS == 8) {
        [[unroll]] for (int i = 0; i < 8; i++) {
            uint d = 0;
            [[unroll]] for (int j = 0; j < BITS; j++) {
                d |= ((t[j] >> i) & 0x01010101u) << j;
            }
            arg.tiles.v[tile + (h * 2 + (i >> 2)) * 128 + lane * 4 + (i & 3)] = d;
        }
        return;
    }
    if ((BITS & 4) != 0) {
        [[unroll]] for (int a = 0; a < 4; a++) {
            uint d = 0;
            [[unroll]] for (int j = 0; j < 4 && j < BITS; j++) {
                d |= ((t[j] >> a) & 0x11111111u) << j;
            }
            arg.tiles.v[tile + h * 128 + lane * 4 + a] = d;
        }
    }
    if ((BITS & 2) != 0) {
        [[unroll]] for (int a = 0; a < 2; a++) {
            uint d = ((t[BITS & 4] >> a) & 0x55555555u) | (((t[(BITS & 4) + 1] >> a) & 0x55555555u) << 1);
            arg.tiles.v[tile + (BITS & 4) * 64 + lane * 4 + h * 2 + a] = d;
        }
    }
    if ((BITS & 1) != 0) {
        arg.tiles.v[tile + (BITS & 6) * 64 + lane * 2 + h] = t[BITS - 1];
    }
}

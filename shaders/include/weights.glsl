// The device layout of packed weights. BITS (1…8) is a specialization constant of the including shader.
//
// Rows are cut into tiles of 32, columns into blocks of 64 codes. The tile of rows 32·r … 32·r+31 and block k holds
// 256·BITS bytes at 16-byte element (r·blocks + k)·16·BITS; inside, the planes are grouped into fields of 4, 2 and 1 bits
// (BITS in binary), lowest planes first, and each field is stored for all 32 rows side by side:
//
//   BITS & 4   two slots (codes 0…31, 32…63) of 16 bytes per row     32 rows × 16 B | 32 rows × 16 B
//   BITS & 2   one slot of 16 bytes per row                          32 rows × 16 B
//   BITS & 1   8 bytes per row                                       32 rows × 8 B
//   BITS = 8   four slots of 16 bytes per row: the bytes themselves
//
// so 32 invocations that each own a row read whole 512-byte stretches. In a chunk of 32 codes, code 4·i + c goes to byte c:
// of dword i (8 bits); of word i & 3, nibble i >> 2 (4 bits); of word i & 1, field i >> 1 (2 bits); bit i (1 bit). Expanding
// to dword i is then a shift and an AND-OR, and taking planes apart gives words whose bit 8·c + i is code 4·i + c.
//
// Codes are stored so that every byte is signed: signed formats below 8 bits as code + 2^(BITS-1), unsigned 8 bits as
// code - 128; zero points carry the difference.
#ifndef WEIGHTS_GLSL
#define WEIGHTS_GLSL

#extension GL_EXT_control_flow_attributes : require

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer Vectors { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer Pairs { uvec2 v[]; };

// 64 codes of one row, as loaded: f0…f3 hold the slots of 16 bytes that BITS needs, last the 1-bit field.
struct Block {
    uvec4 f0, f1, f2, f3;
    uvec2 last;
};

const uint TILE_VECTORS = 16 * BITS;

Block loadBlock(Vectors w, uint tile, uint row) {
    Block b;
    uint at = tile * TILE_VECTORS + row;
    if (BITS == 8) {
        b.f0 = w.v[at];
        b.f1 = w.v[at + 32];
        b.f2 = w.v[at + 64];
        b.f3 = w.v[at + 96];
    } else {
        if ((BITS & 4) != 0) {
            b.f0 = w.v[at];
            b.f1 = w.v[at + 32];
        }
        if ((BITS & 2) != 0) {
            b.f2 = w.v[at + (BITS & 4) * 16];
        }
        if ((BITS & 1) != 0) {
            b.last = Pairs(w).v[(tile * TILE_VECTORS + (BITS & 6) * 16) * 2 + row];
        }
    }
    return b;
}

// v >> s, or v << -s, for constant s.
uint shifted(uint v, int s) {
    return s >= 0 ? v >> s : v << -s;
}

// The 8 dwords (4 codes each, natural order) of chunk h (0 or 1) of a block.
void expandChunk(Block b, uint h, out uint d[8]) {
    if (BITS == 8) {
        uvec4 lo = h == 0 ? b.f0 : b.f2, hi = h == 0 ? b.f1 : b.f3;
        [[unroll]] for (int i = 0; i < 4; i++) {
            d[i] = lo[i];
            d[4 + i] = hi[i];
        }
        return;
    }
    [[unroll]] for (int i = 0; i < 8; i++) {
        d[i] = 0;
    }
    if ((BITS & 4) != 0) {
        uvec4 n = h == 0 ? b.f0 : b.f1;
        [[unroll]] for (int a = 0; a < 4; a++) {
            d[a] = n[a] & 0x0f0f0f0fu;
            d[4 + a] = (n[a] >> 4) & 0x0f0f0f0fu;
        }
    }
    if ((BITS & 2) != 0) {
        uvec2 q = h == 0 ? b.f2.xy : b.f2.zw;
        int base = int(BITS & 4);
        [[unroll]] for (int i = 0; i < 8; i++) {
            d[i] |= shifted(q[i & 1], (i & 6) - base) & (0x03030303u << base);
        }
    }
    if ((BITS & 1) != 0) {
        uint q = h == 0 ? b.last.x : b.last.y;
        int base = int(BITS & 6);
        [[unroll]] for (int i = 0; i < 8; i++) {
            d[i] |= shifted(q, i - base) & (0x01010101u << base);
        }
    }
}

#endif

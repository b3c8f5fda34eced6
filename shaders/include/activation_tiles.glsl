// Codes of activations in memory: tiles of 8 tokens × 64 columns, block after block. Of the eight tokens of a tile those four apart are neighbours:
// stored to shared memory in rows of an odd number of vectors, their halves of 128 bytes lie in different banks.
#ifndef ACTIVATION_TILES_GLSL
#define ACTIVATION_TILES_GLSL

// The first 16-byte vector of a token's block.
uint activationAt(uint m, uint blocks, uint b) {
    return ((m >> 3) * blocks + b) * 32 + ((m & 3) << 1 | (m >> 2 & 1)) * 4;
}

// The token of vector e of a tile.
uint tokenInTile(uint e) {
    return e >> 3 & 3 | (e >> 2 & 1) << 2;
}

#endif

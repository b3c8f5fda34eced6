// One code of packed weights, in the layout that weights.glsl draws: for shaders that read a few rows and multiply nothing.
#ifndef STORED_CODE_GLSL
#define STORED_CODE_GLSL

// The stored code (with 8 bits a signed byte, else the unsigned field) of row 0 … 31 of a tile, column 0 … 63 of its block.
int storedCode(InVectors w, uint tile, uint row, uint column)
{
    uint at = tile * 16u * BITS, chunk = column >> 5, dword = column >> 2 & 7u, byte = 8u * (column & 3u);
    if (BITS == 8u)
    {
        uint word = w.v[at + 32u * (2u * chunk + (dword >> 2)) + row][dword & 3u];
        return bitfieldExtract(int(word), int(byte), 8);
    }

    uint code = 0u;
    if ((BITS & 4u) != 0u)
    {
        code = w.v[at + 32u * chunk + row][dword & 3u] >> (byte + 4u * (dword >> 2)) & 15u;
    }

    if ((BITS & 2u) != 0u)
    {
        uint word = w.v[at + 16u * (BITS & 4u) + row][2u * chunk + (dword & 1u)];
        code |= (word >> (byte + (dword & 6u)) & 3u) << (BITS & 4u);
    }

    if ((BITS & 1u) != 0u)
    {
        // Eight bytes a row: words two by two.
        uint word = InWords(w).v[(at + 16u * (BITS & 6u)) * 4u + 2u * row + chunk];
        code |= (word >> (byte + dword) & 1u) << (BITS & 6u);
    }

    return int(code);
}

#endif

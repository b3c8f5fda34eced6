#version 460
// Attention of a tile of rows of one sequence over a quantized cache (KV2 … KV8), in the arithmetic of attention_integer.comp, with
// cooperative matrices of unsigned bytes and rows that stay in registers (attention_row_groups.glsl): workgroup (head, tile). Chunk by
// chunk of 64 keys,
//   scores [row][key]       = queries [row][component] · keys [key][component]ᵀ
//   sums [row][column]     += digits of the probabilities' codes [row][token] · values [column][token]ᵀ, high and low digits apart
// Scores are computed twice, for the maximum and for the sums. Keys and values lie in shared memory in turn and are on their way there
// while the other is multiplied.
#extension GL_GOOGLE_include_directive : require
#include "attention_row_groups.glsl"
#include "fields.glsl"
#include "probability_digits.glsl"

const uint ITEMS = DEPTH / 16u;                             // vectors of a query or key
const uint STAGED_ROWS = TILE_ROWS > CHUNK ? TILE_ROWS : CHUNK;
const uint KEY_STAGE = STAGED_ROWS * KEY_STRIDE;
const uint VALUE_STAGE = HEAD_TILES * 16u * TOKEN_STRIDE;
const uint STAGE = KEY_STAGE > VALUE_STAGE ? KEY_STAGE : VALUE_STAGE;

shared uvec4 codes[STAGE + SUBGROUPS * PATCH];
shared uvec4 tokens[CHUNK];                                 // scale of the key, its zero point and sum, scale of the value, its zero point

// What an invocation brings: 16 components of a key, or 16 tokens of a word of values.
const uint ITEM_WORDS = 16u / CODES_PER_WORD;
const uint KEY_ITEMS = CHUNK * ITEMS;
const uint KEY_LOADS = (KEY_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint VALUE_ITEMS = HEAD_WORDS * TILES;
const uint VALUE_LOADS = (VALUE_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint MOST_HELD = KEY_LOADS > VALUE_LOADS * 4u ? KEY_LOADS : VALUE_LOADS * 4u;

#define A_MATRIX coopmat<uint8_t, gl_ScopeSubgroup, 16, 32, gl_MatrixUseA>
#define B_MATRIX coopmat<uint8_t, gl_ScopeSubgroup, 32, 16, gl_MatrixUseB>
#define C_MATRIX coopmat<uint, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>

const uint TOKEN_LOADS = (CHUNK + WORKGROUP - 1u) / WORKGROUP;

uvec4 held[MOST_HELD], heldTokens[TOKEN_LOADS];
A_MATRIX query[DEPTH_STEPS];
C_MATRIX high[HEAD_TILES], low[HEAD_TILES];
uvec4 rowQuery[2];                                          // scale, zero point, Σ codes − head size · zero point

void loadQueries(Tile tile, uint head)
{
    for (uint e = lane; e < TILE_ROWS * ITEMS; e += WORKGROUP)
    {
        uint row = e / ITEMS, item = e % ITEMS;
        uvec4 words = uvec4(0u);
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            if (row < tile.rowCount && item * 4u + w < BYTE_WORDS)
            {
                words[w] = queries.v[((tile.firstRow + row) * shape.heads + head) * BYTE_WORDS + item * 4u + w];
            }
        }

        codes[row * KEY_STRIDE + item] = words;
    }

    barrier();
    [[unroll]] for (uint i = 0u; i < DEPTH_STEPS; i++)
    {
        coopMatLoad(query[i], codes, subgroupRow * KEY_STRIDE + i * 2u, KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
}

// With what belongs to the chunk's tokens.
void loadKeys(uint chunk)
{
    uint place = chunkPlace(kvHead, chunk), base = place * HEAD_WORDS * CHUNK, plane = planeTokens();
    [[unroll]] for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane, key = e % CHUNK, first = e / CHUNK * ITEM_WORDS;
        [[unroll]] for (uint w = 0u; w < ITEM_WORDS; w++)
        {
            held[i][w] = first + w < HEAD_WORDS ? keys.v[base + (first + w) * CHUNK + key] : 0u;
        }
    }

    [[unroll]] for (uint i = 0u; i < TOKEN_LOADS; i++)
    {
        uint at = place * CHUNK + min(i * WORKGROUP + lane, CHUNK - 1u);
        heldTokens[i] = uvec4(InWords(parameters).v[at], InWords(parameters).v[plane + at], InWords(parameters).v[2u * plane + at], InWords(parameters).v[3u * plane + at]);
    }
}

// What the cache holds past the tile's last token counts as 0.
void storeKeys(uint chunk)
{
    [[unroll]] for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        uvec4 item;
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            item[w] = (held[i][w / PHASES] >> (w % PHASES * FIELD_BITS)) & FIELD_MASK;
        }

        if (e < KEY_ITEMS)
        {
            codes[e % CHUNK * KEY_STRIDE + e / CHUNK] = item;
        }
    }

    [[unroll]] for (uint i = 0u; i < TOKEN_LOADS; i++)
    {
        uint t = i * WORKGROUP + lane;
        if (t < CHUNK)
        {
            tokens[t] = chunk * CHUNK + t <= lastToken ? heldTokens[i] : uvec4(0u);
        }
    }
}

void loadValues(uint chunk)
{
    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS;
    [[unroll]] for (uint i = 0u; i < VALUE_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane, word = e / TILES, first = e % TILES * 16u;
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            [[unroll]] for (uint t = 0u; t < 4u; t++)
            {
                held[i * 4u + w][t] = word < HEAD_WORDS ? values.v[base + (first + tokenOf(w, t)) * HEAD_WORDS + word] : 0u;
            }
        }
    }
}

// Turned, so that a vector holds one column of 16 tokens.
void storeValues()
{
    [[unroll]] for (uint i = 0u; i < VALUE_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        [[unroll]] for (uint s = 0u; s < PHASES; s++)
        {
            uint column = (e / TILES * PHASES + s) * 4u;
            uvec4 turned_[4];
            [[unroll]] for (uint w = 0u; w < 4u; w++)
            {
                turned_[w] = turned((held[i * 4u + w] >> (s * FIELD_BITS)) & FIELD_MASK);
            }

            [[unroll]] for (uint d = 0u; d < 4u; d++)
            {
                if (e < VALUE_ITEMS && column < HEAD_TILES * 16u)
                {
                    codes[(column + d) * TOKEN_STRIDE + e % TILES] = uvec4(turned_[0][d], turned_[1][d], turned_[2][d], turned_[3][d]);
                }
            }
        }
    }
}

C_MATRIX multiplyKeys(uint t)
{
    C_MATRIX dots = C_MATRIX(0u);
    [[unroll]] for (uint step = 0u; step < DEPTH_STEPS; step++)
    {
        B_MATRIX b;
        coopMatLoad(b, codes, t * 16u * KEY_STRIDE + step * 2u, KEY_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
        dots = coopMatMulAdd(query[step], b, dots);
    }

    return dots;
}

// integerScore of fields.glsl with the row's share of the correction taken together. A score is 0 or at least 2^-48 times its factor: canonical as it is, unless that is tiny.
float scoreOf(uint dot_, uvec4 q, uvec4 token)
{
    int i = int(dot_) - int(token.y & 255u) * int(q.z) - int(q.y) * int(token.y >> 8);
    precise float scale = uintBitsToFloat(q.x) * uintBitsToFloat(token.x);
    precise float score = float(i) * scale;
    score = score * SCORE_SCALE;
    if (SOFTCAP != 0.0)
    {
        return cappedScore(score);
    }

    return SCORE_SCALE >= 2.44140625e-4 ? score : canonical(score);
}

void main()
{
    // The last rows see most keys; they begin first.
    Tile tile = tiles.v[gl_NumWorkGroups.y - 1u - gl_WorkGroupID.y];
    uint head = gl_WorkGroupID.x;
    kvHead = head / (shape.heads / shape.kvHeads);
    findPages(rows.v[tile.firstRow]);
    uint firstPosition = rows.v[tile.firstRow].position;
    lastToken = firstPosition + tile.rowCount - 1u;
    subgroupRow = gl_SubgroupID * 16u;
    uint firstChunk = firstSeen(firstPosition) / CHUNK, lastChunk = lastToken / CHUNK, turning = STAGE + gl_SubgroupID * PATCH;
    loadKeys(firstChunk);
    loadQueries(tile, head);
    float maximum[2] = float[2](-3.4e38, -3.4e38), largest[2] = float[2](0.0, 0.0);
    [[unroll]] for (uint r = 0u; r < 2u; r++)
    {
        uint row = subgroupRow + gl_SubgroupInvocationID / 4u + r * 8u;
        uvec4 q = queryParameters.v[(tile.firstRow + min(row, tile.rowCount - 1u)) * shape.heads + head];
        rowQuery[r] = uvec4(q.x, q.y, q.z - HEAD_SIZE * q.y, 0u);
    }

    for (uint chunk = firstChunk; chunk <= lastChunk; chunk++)
    {
        barrier();
        storeKeys(chunk);
        barrier();
        loadKeys(chunk < lastChunk ? chunk + 1u : firstChunk);
        if (seesAny(chunk, firstPosition, tile.rowCount))
        {
            uint seen = seenElements(chunk, firstPosition);
            [[unroll]] for (uint t = 0u; t < TILES; t++)
            {
                C_MATRIX dots = multiplyKeys(t);
                [[unroll]] for (uint e = 0u; e < 8u; e++)
                {
                    uint r = rowOf(e);
                    uvec4 token = tokens[t * 16u + columnOf(e)];
                    bool visible = (seen & 1u << (t * 8u + e)) != 0u;
                    maximum[r] = max(maximum[r], visible ? scoreOf(dots[e], rowQuery[r], token) : -3.4e38);
                    largest[r] = max(largest[r], visible ? uintBitsToFloat(token.z) : 0.0);
                }
            }
        }
    }

    float inverse[2];
    uint total[2] = uint[2](0u, 0u);
    uint highZero[2] = uint[2](0u, 0u), lowZero[2] = uint[2](0u, 0u);
    [[unroll]] for (uint r = 0u; r < 2u; r++)
    {
        maximum[r] = rowMaximum(maximum[r]);
        largest[r] = rowMaximum(largest[r]);
        inverse[r] = reciprocal(largest[r]);
    }

    [[unroll]] for (uint j = 0u; j < HEAD_TILES; j++)
    {
        high[j] = C_MATRIX(0u);
        low[j] = C_MATRIX(0u);
    }

    for (uint chunk = firstChunk; chunk <= lastChunk; chunk++)
    {
        barrier();
        storeKeys(chunk);
        barrier();
        loadValues(chunk);
        bool any = seesAny(chunk, firstPosition, tile.rowCount);
        uvec2 digits[TILES * 2u];
        if (any)
        {
            uint seen = seenElements(chunk, firstPosition);
            [[unroll]] for (uint t = 0u; t < TILES; t++)
            {
                C_MATRIX dots = multiplyKeys(t);
                uint code[8], zeros = 0u;
                [[unroll]] for (uint e = 0u; e < 8u; e++)
                {
                    uint r = rowOf(e);
                    uvec4 token = tokens[t * 16u + columnOf(e)];
                    float score = (seen & 1u << (t * 8u + e)) != 0u ? scoreOf(dots[e], rowQuery[r], token) : -3.4e38;
                    code[e] = probabilityDigits(score, maximum[r], uintBitsToFloat(token.z), inverse[r], total[r]);
                    zeros |= r == 0u ? token.w << (8u * (e % 4u)) : 0u;
                }

                [[unroll]] for (uint r = 0u; r < 2u; r++)
                {
                    uvec2 packed = packDigits(uvec4(code[r * 4u], code[r * 4u + 1u], code[r * 4u + 2u], code[r * 4u + 3u]));
                    digits[t * 2u + r] = packed;
                    highZero[r] += dotPacked4x8EXT(packed.x, zeros);
                    lowZero[r] += dotPacked4x8EXT(packed.y, zeros);
                }
            }
        }

        barrier();
        storeValues();
        barrier();
        loadKeys(min(chunk + 1u, lastChunk));
        if (any)
        {
            [[unroll]] for (uint half_ = 0u; half_ < TILES / 2u; half_++)
            {
                A_MATRIX highDigits, lowDigits;
                subgroupBarrier();
                [[unroll]] for (uint i = 0u; i < 4u; i++)
                {
                    // Vectors of 16 tokens: two of high digits, two of low ones.
                    uint at = turning + (gl_SubgroupInvocationID / 4u + i % 2u * 8u) * PATCH_STRIDE + i / 2u;
                    codes[at][four] = digits[half_ * 4u + i].x;
                    codes[at + 2u][four] = digits[half_ * 4u + i].y;
                }

                subgroupMemoryBarrierShared();
                subgroupBarrier();
                coopMatLoad(highDigits, codes, turning, PATCH_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(lowDigits, codes, turning + 2u, PATCH_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                [[unroll]] for (uint j = 0u; j < HEAD_TILES; j++)
                {
                    B_MATRIX b;
                    coopMatLoad(b, codes, j * 16u * TOKEN_STRIDE + half_ * 2u, TOKEN_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    high[j] = coopMatMulAdd(highDigits, b, high[j]);
                    low[j] = coopMatMulAdd(lowDigits, b, low[j]);
                }
            }
        }
    }

    [[unroll]] for (uint r = 0u; r < 2u; r++)
    {
        uint row = subgroupRow + gl_SubgroupInvocationID / 4u + r * 8u;
        float inverseTotal = reciprocal(float(rowSum(total[r])));
        int highZeros = int(rowSum(highZero[r])), lowZeros = int(rowSum(lowZero[r]));
        [[unroll]] for (uint j = 0u; j < HEAD_TILES; j++)
        {
            [[unroll]] for (uint e = 0u; e < 8u; e++)
            {
                uint d = j * 16u + columnOf(e);
                if (rowOf(e) == r && row < tile.rowCount && d < HEAD_SIZE)
                {
                    attended.v[((tile.firstRow + row) * shape.heads + head) * HEAD_SIZE + d] = attendedValue(int(high[j][e]) - highZeros, int(low[j][e]) - lowZeros, largest[r], inverseTotal);
                }
            }
        }
    }
}

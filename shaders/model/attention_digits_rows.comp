#version 460
// Attention of a tile of rows of one sequence over a 16-bit cache, in the arithmetic of attention_digits.comp, with cooperative matrices
// of signed bytes and rows that stay in registers (attention_row_groups.glsl): workgroup (head, tile). Stretch by stretch of 64 keys,
//   scores [row][key]    = digits of queries · digits of keysᵀ, four products
//   sums [row][column]   = digits of codes · digits of values, four products
// Keys and values lie in shared memory in turn, both digits of a row side by side, and are on their way there while the other is multiplied.
#extension GL_GOOGLE_include_directive : require
#include "attention_row_groups.glsl"
#include "probability_digits.glsl"
#include "digits.glsl"

const uint ITEMS = DEPTH / 16u;                             // vectors of a digit of a query or key
const uint PAIR_STRIDE = 2u * ITEMS + 1u;
const uint VALUE_STRIDE = 2u * CHUNK / 16u + 1u;
const uint STAGED_ROWS = TILE_ROWS > CHUNK ? TILE_ROWS : CHUNK;
const uint KEY_STAGE = STAGED_ROWS * PAIR_STRIDE;
const uint VALUE_STAGE = HEAD_TILES * 16u * VALUE_STRIDE;
const uint STAGE = KEY_STAGE > VALUE_STAGE ? KEY_STAGE : VALUE_STAGE;

shared uvec4 codes[STAGE + SUBGROUPS * PATCH];
shared vec2 keyScales[CHUNK / 2u], valueScales[CHUNK / 2u];

// What an invocation brings: 16 components of a key, or 16 tokens of four columns of values.
const uint KEY_ITEMS = CHUNK * 2u * ITEMS;
const uint KEY_LOADS = (KEY_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint VALUE_ITEMS = 2u * DIGIT_WORDS * TILES;
const uint VALUE_LOADS = (VALUE_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint MOST_HELD = KEY_LOADS > VALUE_LOADS * 4u ? KEY_LOADS : VALUE_LOADS * 4u;

#define A_MATRIX coopmat<int8_t, gl_ScopeSubgroup, 16, 32, gl_MatrixUseA>
#define B_MATRIX coopmat<int8_t, gl_ScopeSubgroup, 32, 16, gl_MatrixUseB>
#define C_MATRIX coopmat<int, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>

uvec4 held[MOST_HELD];
A_MATRIX queryHigh[DEPTH_STEPS], queryLow[DEPTH_STEPS];
float sums[HEAD_TILES * 8u];

// exactSum without conversions: heads of 128 keep both parts below 2^22.
float joined(int high, int low)
{
    int t = low + ((high & 255) << 8);
    precise float upper = intBitsToFloat((high >> 8) + (t >> 16) + 0x4B400000) - ROUND_SIGNED;
    precise float lower = intBitsToFloat((t & 0xFFFF) | 0x4B000000) - ROUND;
    precise float sum = upper * 65536.0;
    sum = sum + lower;
    return sum;
}

void loadQueries(Tile tile, uint head)
{
    for (uint e = lane; e < TILE_ROWS * 2u * ITEMS; e += WORKGROUP)
    {
        uint row = e / (2u * ITEMS), item = e % (2u * ITEMS), word = item % ITEMS * 4u;
        uvec4 words = uvec4(0u);
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            if (row < tile.rowCount && word + w < DIGIT_WORDS)
            {
                words[w] = queries.v[((tile.firstRow + row) * shape.heads + head) * HEAD_WORDS + item / ITEMS * DIGIT_WORDS + word + w];
            }
        }

        codes[row * PAIR_STRIDE + item] = words;
    }

    barrier();
    [[unroll]] for (uint i = 0u; i < DEPTH_STEPS; i++)
    {
        coopMatLoad(queryHigh[i], codes, subgroupRow * PAIR_STRIDE + i * 2u, PAIR_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(queryLow[i], codes, subgroupRow * PAIR_STRIDE + ITEMS + i * 2u, PAIR_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
}

void loadKeys(uint chunk)
{
    uint base = chunkPlace(kvHead, chunk) * HEAD_WORDS * CHUNK;
    [[unroll]] for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane, key = e % CHUNK, item = e / CHUNK, word = item % ITEMS * 4u, digit = item / ITEMS;
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            held[i][w] = digit < 2u && word + w < DIGIT_WORDS ? keys.v[base + (digit * DIGIT_WORDS + word + w) * CHUNK + key] : 0u;
        }
    }
}

// With the scales of the chunk's tokens; what the cache holds past the tile's last token counts as 0.
void storeKeys(uint chunk)
{
    [[unroll]] for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        if (e < KEY_ITEMS)
        {
            codes[e % CHUNK * PAIR_STRIDE + e / CHUNK] = held[i];
        }
    }

    for (uint e = lane; e < CHUNK / 2u; e += WORKGROUP)
    {
        uint plane = planeTokens() / 4u, at = chunkPlace(kvHead, chunk) * (CHUNK / 4u) + e / 2u, token = chunk * CHUNK + e * 2u;
        uvec4 k = parameters.v[at], v = parameters.v[plane + at];
        bvec2 written = lessThanEqual(uvec2(token, token + 1u), uvec2(lastToken));
        keyScales[e] = uintBitsToFloat(mix(uvec2(0u), e % 2u == 0u ? k.xy : k.zw, written));
        valueScales[e] = uintBitsToFloat(mix(uvec2(0u), e % 2u == 0u ? v.xy : v.zw, written));
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
        uint e = i * WORKGROUP + lane, word = e / TILES, digit = word / DIGIT_WORDS, column = word % DIGIT_WORDS * 4u;
        uvec4 turned_[4];
        [[unroll]] for (uint w = 0u; w < 4u; w++)
        {
            turned_[w] = turned(held[i * 4u + w]);
        }

        [[unroll]] for (uint d = 0u; d < 4u; d++)
        {
            if (e < VALUE_ITEMS)
            {
                codes[(column + d) * VALUE_STRIDE + digit * TILES + e % TILES] = uvec4(turned_[0][d], turned_[1][d], turned_[2][d], turned_[3][d]);
            }
        }
    }
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
    DigitRow state[2];
    float queryScale[2];
    [[unroll]] for (uint r = 0u; r < 2u; r++)
    {
        uint row = subgroupRow + gl_SubgroupInvocationID / 4u + r * 8u;
        state[r] = DigitRow(BELOW_ALL_SCORES, 0.0, 0.0, 0.0);
        queryScale[r] = uintBitsToFloat(queryParameters.v[(tile.firstRow + min(row, tile.rowCount - 1u)) * shape.heads + head].x);
    }

    [[unroll]] for (uint i = 0u; i < HEAD_TILES * 8u; i++)
    {
        sums[i] = 0.0;
    }

    for (uint chunk = firstChunk; chunk <= lastChunk; chunk++)
    {
        barrier();
        storeKeys(chunk);
        barrier();
        loadValues(chunk);
        bool any = seesAny(chunk, firstPosition, tile.rowCount);
        float score[TILES * 8u];
        if (any)
        {
            [[unroll]] for (uint t = 0u; t < TILES; t++)
            {
                C_MATRIX hh = C_MATRIX(0), hl = C_MATRIX(0), ll = C_MATRIX(0);
                [[unroll]] for (uint step = 0u; step < DEPTH_STEPS; step++)
                {
                    B_MATRIX high, low;
                    coopMatLoad(high, codes, t * 16u * PAIR_STRIDE + step * 2u, PAIR_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    coopMatLoad(low, codes, t * 16u * PAIR_STRIDE + ITEMS + step * 2u, PAIR_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    hh = coopMatMulAdd(queryHigh[step], high, hh);
                    hl = coopMatMulAdd(queryHigh[step], low, hl);
                    ll = coopMatMulAdd(queryLow[step], low, ll);
                    hl = coopMatMulAdd(queryLow[step], high, hl);
                }

                [[unroll]] for (uint e = 0u; e < 8u; e++)
                {
                    float keyScale = keyScales[t * 8u + columnOf(e) / 2u][e % 2u];
                    score[t * 8u + e] = digitScore(joined(hh[e] * 256 + hl[e], ll[e]), queryScale[rowOf(e)], keyScale);
                }
            }
        }

        barrier();
        storeValues();
        uvec2 digits[TILES * 2u];
        if (any)
        {
            uint seen = seenElements(chunk, firstPosition);
            float maximum[2] = float[2](BELOW_ALL_SCORES, BELOW_ALL_SCORES), largest[2] = float[2](0.0, 0.0);
            uint mass[2] = uint[2](0u, 0u);
            [[unroll]] for (uint i = 0u; i < TILES * 8u; i++)
            {
                maximum[rowOf(i % 8u)] = max(maximum[rowOf(i % 8u)], (seen & 1u << i) != 0u ? score[i] : BELOW_ALL_SCORES);
            }

            [[unroll]] for (uint r = 0u; r < 2u; r++)
            {
                maximum[r] = rowMaximum(maximum[r]);
            }

            [[unroll]] for (uint i = 0u; i < TILES * 8u; i++)
            {
                uint r = rowOf(i % 8u), levels = 0u;
                float valueScale = valueScales[i / 8u * 8u + columnOf(i % 8u) / 2u][i % 2u];
                float contribution = contributionOf(score[i], maximum[r], valueScale, levels);
                bool visible = (seen & 1u << i) != 0u;
                score[i] = visible ? contribution : 0.0;
                mass[r] += visible ? levels : 0u;
                largest[r] = max(largest[r], score[i]);
            }

            [[unroll]] for (uint r = 0u; r < 2u; r++)
            {
                largest[r] = rowMaximum(largest[r]);
                float levels = levelsOf(largest[r]);
                [[unroll]] for (uint t = 0u; t < TILES; t++)
                {
                    uint at = t * 8u + r * 4u;
                    digits[t * 2u + r] = packSignedDigits(uvec4(
                        contributionCode(score[at], levels), contributionCode(score[at + 1u], levels), contributionCode(score[at + 2u], levels), contributionCode(score[at + 3u], levels)));
                }

                addStretch(state[r], maximum[r], largest[r], rowSum(mass[r]));
            }
        }

        barrier();
        loadKeys(min(chunk + 1u, lastChunk));
        if (any)
        {
            A_MATRIX highDigits[TILES / 2u], lowDigits[TILES / 2u];
            [[unroll]] for (uint half_ = 0u; half_ < TILES / 2u; half_++)
            {
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
                coopMatLoad(highDigits[half_], codes, turning, PATCH_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(lowDigits[half_], codes, turning + 2u, PATCH_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            }

            [[unroll]] for (uint j = 0u; j < HEAD_TILES; j++)
            {
                C_MATRIX hh = C_MATRIX(0), hl = C_MATRIX(0), ll = C_MATRIX(0);
                [[unroll]] for (uint half_ = 0u; half_ < TILES / 2u; half_++)
                {
                    B_MATRIX high, low;
                    coopMatLoad(high, codes, j * 16u * VALUE_STRIDE + half_ * 2u, VALUE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    coopMatLoad(low, codes, j * 16u * VALUE_STRIDE + TILES + half_ * 2u, VALUE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                    hh = coopMatMulAdd(highDigits[half_], high, hh);
                    hl = coopMatMulAdd(highDigits[half_], low, hl);
                    ll = coopMatMulAdd(lowDigits[half_], low, ll);
                    hl = coopMatMulAdd(lowDigits[half_], high, hl);
                }

                [[unroll]] for (uint e = 0u; e < 8u; e++)
                {
                    uint r = rowOf(e);
                    sums[j * 8u + e] = addAttended(sums[j * 8u + e], joined(hh[e] * 256 + hl[e], ll[e]), state[r].old, state[r].unit);
                }
            }
        }
    }

    [[unroll]] for (uint r = 0u; r < 2u; r++)
    {
        uint row = subgroupRow + gl_SubgroupInvocationID / 4u + r * 8u;
        float inverse = reciprocal(state[r].total);
        [[unroll]] for (uint i = 0u; i < HEAD_TILES * 8u; i++)
        {
            uint d = i / 8u * 16u + columnOf(i % 8u);
            if (rowOf(i % 8u) == r && row < tile.rowCount && d < HEAD_SIZE)
            {
                precise float v = sums[i] * inverse;
                attended.v[((tile.firstRow + row) * shape.heads + head) * HEAD_SIZE + d] = canonical(v);
            }
        }
    }
}

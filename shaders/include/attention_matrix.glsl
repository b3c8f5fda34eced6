// Attention of a tile of rows of one sequence over a quantized cache (KV2 … KV8) with cooperative matrices of unsigned bytes, in the
// arithmetic of attention_integer.comp: workgroup (head, tile). Chunk by chunk of 64 keys,
//   scores [row][key]       = queries [row][component] · keys [key][component]ᵀ
//   sums [row][column]     += digits of the probabilities' codes [row][token] · values [column][token]ᵀ, high and low digits apart
// with integers passing through shared memory to invocations that know their rows and keys. Subgroups lie in ROW_GROUPS along the
// rows and the rest along keys and columns. Scores are computed twice, for the maximum and for the sums.
#include "attention_matrix_tile.glsl"
#include "fields.glsl"
#include "probability_digits.glsl"

const uint COLUMN_TILES = (HEAD_SIZE + FN - 1u) / FN;                           // of the head, dealt to the column groups in turn
const uint COLUMN_MATRICES = (COLUMN_TILES + COLUMN_GROUPS - 1u) / COLUMN_GROUPS;

const uint STAGED_ROWS = TILE_ROWS > CHUNK ? TILE_ROWS : CHUNK;                 // queries that are held lie there once, at the beginning
const uint KEY_STAGE = STAGED_ROWS * KEY_STRIDE;
const uint VALUE_STAGE = COLUMN_TILES * FN * TOKEN_STRIDE;
const uint DIGITS_AT = KEY_STAGE > VALUE_STAGE ? KEY_STAGE : VALUE_STAGE;
const uint DIGITS = TILE_ROWS * TOKEN_STRIDE;
const uint QUERY_PLANE = LEAN ? TILE_ROWS * KEY_STRIDE : 0u;                    // queries that are not held
#ifdef SHALLOW
const uint QUERIES_AT = LEAN ? DIGITS_AT + 2u * DIGITS : 0u;
const uint CODES = DIGITS_AT + 2u * DIGITS + QUERY_PLANE;
const uint SCORE_STRIDE = CHUNK / 4u + 2u;
#else
const uint QUERIES_AT = LEAN ? DIGITS_AT : 0u;
const uint CODES = DIGITS_AT + QUERY_PLANE;
const uint SCORE_STRIDE = CHUNK / 4u + 1u;                                      // odd, for the digits that take the scores' places
#endif
const uint SCRATCH = FM * FN / 4u;                                              // a matrix of results of a subgroup
const uint ELEMENTS = FM * FN / SUBGROUP;
const uint SCORES = TILE_ROWS * SCORE_STRIDE > SUBGROUPS * SCRATCH ? TILE_ROWS * SCORE_STRIDE : SUBGROUPS * SCRATCH;

// Stage of queries, keys or values, and queries that are not held; scores [row][key], four a vector; digits of the probabilities, high and
// low, before those queries. Digits that vectors of scores can hold lie in their places: on NVIDIA's driver two workgroups of 24 KB share a
// processor, and none of more.
shared VECTOR codes[CODES];
shared uvec4 scores[SCORES];
shared uvec4 rowQuery[TILE_ROWS];               // scale, zero point, Σ codes − head size · zero point, maximum of the scores
shared vec2 rowScale[TILE_ROWS];                // largest scale of the values, its inverse
shared uint rowTotal[TILE_ROWS];                // Σ e
shared int rowHighZero[TILE_ROWS];              // Σ high·zv
shared int rowLowZero[TILE_ROWS];

// Invocations between the matrices: four keys of every ROW_LANES-th row.
const uint QUADS = CHUNK / 4u;
const uint ROW_LANES = WORKGROUP / QUADS;
const uint ROWS_EACH = TILE_ROWS / ROW_LANES;

// What an invocation brings: 16 components of a key, or VECTOR_CODES tokens of a word of values.
const uint ITEM_WORDS = 16u / CODES_PER_WORD;
const uint KEY_ITEMS = CHUNK * (DEPTH / 16u);
const uint KEY_LOADS = (KEY_ITEMS + WORKGROUP - 1u) / WORKGROUP;
const uint TOKEN_GROUPS = CHUNK / VECTOR_CODES;
const uint VALUE_ITEMS = HEAD_WORDS * TOKEN_GROUPS;
const uint VALUE_LOADS = (VALUE_ITEMS + WORKGROUP - 1u) / WORKGROUP;

#define A_MATRIX coopmat<uint8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define B_MATRIX coopmat<uint8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define C_MATRIX coopmat<uint, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>

uint lane = gl_LocalInvocationIndex;
uint quad = lane % QUADS;
uint rowLane = lane / QUADS;
uint subgroupRow, columnGroup;
uint kvHead, lastToken;
uint keyHeld[LEAN ? 1u : KEY_LOADS * ITEM_WORDS];
uint valueHeld[LEAN ? 1u : VALUE_LOADS * VECTOR_CODES];
vec4 keyScale, valueScale;
uvec4 keyZeroAndSum, valueZero;
A_MATRIX query[QUERY_MATRICES];
C_MATRIX high[ROW_MATRICES * COLUMN_MATRICES];
C_MATRIX low[ROW_MATRICES * COLUMN_MATRICES];

// Sixteen codes of a row.
void putItem(uint at, uvec4 item)
{
#ifdef SHALLOW
    codes[at] = item.xy;
    codes[at + 1u] = item.zw;
#else
    codes[at] = item;
#endif
}

uint queryAt(uint i)
{
    return QUERIES_AT + (subgroupRow + i / DEPTH_STEPS * FM) * KEY_STRIDE + i % DEPTH_STEPS * (FK / VECTOR_CODES);
}

void loadQueries(Tile tile, uint head)
{
    const uint ITEMS = DEPTH / 16u;
    for (uint e = lane; e < TILE_ROWS * ITEMS; e += WORKGROUP)
    {
        uint row = e / ITEMS, item = e % ITEMS;
        uvec4 words = uvec4(0u);
        for (uint w = 0u; w < 4u; w++)
        {
            if (row < tile.rowCount && item * 4u + w < BYTE_WORDS)
            {
                words[w] = queries.v[((tile.firstRow + row) * shape.heads + head) * BYTE_WORDS + item * 4u + w];
            }
        }

        putItem(QUERIES_AT + row * KEY_STRIDE + item * (4u / VECTOR_WORDS), words);
    }

    barrier();
    if (!LEAN)
    {
        UNROLLED for (uint i = 0u; i < QUERY_MATRICES; i++)
        {
            coopMatLoad(query[i], codes, queryAt(i), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }

        barrier();
    }
}

uint keyWord(uint base, uint item, uint key, uint w)
{
    uint word = item * ITEM_WORDS + w;
    return word < HEAD_WORDS ? keys.v[base + word * CHUNK + key] : 0u;
}

uint valueWord(uint base, uint word, uint token)
{
    return word < HEAD_WORDS ? values.v[base + token * HEAD_WORDS + word] : 0u;
}

void loadKeys(uint chunk)
{
    if (LEAN)
    {
        return;
    }

    uint base = chunkPlace(kvHead, chunk) * HEAD_WORDS * CHUNK;
    UNROLLED for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        UNROLLED for (uint w = 0u; w < ITEM_WORDS; w++)
        {
            keyHeld[LEAN ? 0u : i * ITEM_WORDS + w] = keyWord(base, e / CHUNK, e % CHUNK, w);
        }
    }
}

void bringKeys(uint chunk)
{
    uint base = chunkPlace(kvHead, chunk) * HEAD_WORDS * CHUNK;
    [[dont_unroll]] for (uint e = lane; e < KEY_ITEMS; e += WORKGROUP)
    {
        uvec4 words, item;
        UNROLLED for (uint w = 0u; w < ITEM_WORDS; w++)
        {
            words[w] = keyWord(base, e / CHUNK, e % CHUNK, w);
        }

        UNROLLED for (uint w = 0u; w < 4u; w++)
        {
            item[w] = (words[w / PHASES] >> (w % PHASES * FIELD_BITS)) & FIELD_MASK;
        }

        putItem(e % CHUNK * KEY_STRIDE + e / CHUNK * (4u / VECTOR_WORDS), item);
    }
}

void storeKeys(uint chunk)
{
    if (LEAN)
    {
        bringKeys(chunk);
        return;
    }

    UNROLLED for (uint i = 0u; i < KEY_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        if (e < KEY_ITEMS)
        {
            uvec4 item;
            UNROLLED for (uint w = 0u; w < 4u; w++)
            {
                item[w] = (keyHeld[LEAN ? 0u : i * ITEM_WORDS + w / PHASES] >> (w % PHASES * FIELD_BITS)) & FIELD_MASK;
            }

            putItem(e % CHUNK * KEY_STRIDE + e / CHUNK * (4u / VECTOR_WORDS), item);
        }
    }
}

void loadValues(uint chunk)
{
    if (LEAN)
    {
        return;
    }

    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS;
    UNROLLED for (uint i = 0u; i < VALUE_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane, word = e / TOKEN_GROUPS, token = e % TOKEN_GROUPS * VECTOR_CODES;
        UNROLLED for (uint t = 0u; t < VECTOR_CODES; t++)
        {
            valueHeld[LEAN ? 0u : i * VECTOR_CODES + t] = valueWord(base, word, token + t);
        }
    }
}

// Four tokens of a word of values at a time.
void bringValues(uint chunk)
{
    const uint ITEMS = HEAD_WORDS * (CHUNK / 4u);
    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS;
    [[dont_unroll]] for (uint e = lane; e < ITEMS; e += WORKGROUP)
    {
        uint word = e / (CHUNK / 4u), four = e % (CHUNK / 4u);
        uvec4 words;
        UNROLLED for (uint t = 0u; t < 4u; t++)
        {
            words[t] = valueWord(base, word, four * 4u + t);
        }

        UNROLLED for (uint s = 0u; s < PHASES; s++)
        {
            uvec4 turned_ = turned((words >> (s * FIELD_BITS)) & FIELD_MASK);
            uint first = (word * PHASES + s) * 4u;
            if (first < COLUMN_TILES * FN)
            {
                UNROLLED for (uint d = 0u; d < 4u; d++)
                {
                    codes[(first + d) * TOKEN_STRIDE + four / VECTOR_WORDS][four % VECTOR_WORDS] = turned_[d];
                }
            }
        }
    }
}

// Turned, so that a vector holds one column of VECTOR_CODES tokens.
void storeValues(uint chunk)
{
    if (LEAN)
    {
        bringValues(chunk);
        return;
    }

    UNROLLED for (uint i = 0u; i < VALUE_LOADS; i++)
    {
        uint e = i * WORKGROUP + lane;
        UNROLLED for (uint s = 0u; s < PHASES; s++)
        {
            VECTOR column[4];
            UNROLLED for (uint w = 0u; w < VECTOR_WORDS; w++)
            {
                uint at = i * VECTOR_CODES + w * 4u;
                uvec4 four = LEAN ? uvec4(0u) : uvec4(valueHeld[at], valueHeld[at + 1u], valueHeld[at + 2u], valueHeld[at + 3u]);
                uvec4 turned_ = turned((four >> (s * FIELD_BITS)) & FIELD_MASK);
                UNROLLED for (uint d = 0u; d < 4u; d++)
                {
                    column[d][w] = turned_[d];
                }
            }

            uint first = (e / TOKEN_GROUPS * PHASES + s) * 4u;
            if (e < VALUE_ITEMS && first < COLUMN_TILES * FN)
            {
                UNROLLED for (uint d = 0u; d < 4u; d++)
                {
                    codes[(first + d) * TOKEN_STRIDE + e % TOKEN_GROUPS] = column[d];
                }
            }
        }
    }
}

// Of this invocation's four keys; what the cache holds past the tile's last token becomes 0.
void loadParameters(uint chunk)
{
    uint plane = planeTokens() / 4u, at = chunkPlace(kvHead, chunk) * (CHUNK / 4u) + quad;
    uvec4 first = chunk * CHUNK + quad * 4u + uvec4(0u, 1u, 2u, 3u);
    bvec4 written = lessThanEqual(first, uvec4(lastToken));
    keyScale = uintBitsToFloat(mix(uvec4(0u), parameters.v[at], written));
    keyZeroAndSum = mix(uvec4(0u), parameters.v[plane + at], written);
    valueScale = uintBitsToFloat(mix(uvec4(0u), parameters.v[2u * plane + at], written));
    valueZero = mix(uvec4(0u), parameters.v[3u * plane + at], written);
}

void multiplyKeys()
{
    UNROLLED for (uint j = 0u; j < KEY_MATRICES; j++)
    {
        uint key = (columnGroup * KEY_MATRICES + j) * FN;
        C_MATRIX dots[ROW_MATRICES];
        UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
        {
            dots[i] = C_MATRIX(0u);
        }

        UNROLLED for (uint step = 0u; step < DEPTH_STEPS; step++)
        {
            B_MATRIX b;
            coopMatLoad(b, codes, key * KEY_STRIDE + step * (FK / VECTOR_CODES), KEY_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
            {
                if (LEAN)
                {
                    coopMatLoad(query[0], codes, queryAt(i * DEPTH_STEPS + step), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                }

                dots[i] = coopMatMulAdd(query[LEAN ? 0u : i * DEPTH_STEPS + step], b, dots[i]);
            }
        }

        UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
        {
            coopMatStore(dots[i], scores, (subgroupRow + i * FM) * SCORE_STRIDE + key / 4u, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
    }
}

void multiplyValues()
{
    UNROLLED for (uint step = 0u; step < TOKEN_STEPS; step++)
    {
        A_MATRIX highDigits[ROW_MATRICES], lowDigits[ROW_MATRICES];
        UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
        {
#ifdef SHALLOW
            uint at = DIGITS_AT + (subgroupRow + i * FM) * TOKEN_STRIDE + step * (FK / VECTOR_CODES);
            coopMatLoad(highDigits[i], codes, at, TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            coopMatLoad(lowDigits[i], codes, at + DIGITS, TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
#else
            uint at = (subgroupRow + i * FM) * SCORE_STRIDE + step * (FK / VECTOR_CODES);
            coopMatLoad(highDigits[i], scores, at, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            coopMatLoad(lowDigits[i], scores, at + CHUNK / VECTOR_CODES, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
#endif
        }

        UNROLLED for (uint j = 0u; j < COLUMN_MATRICES; j++)
        {
            uint tile = columnGroup + j * COLUMN_GROUPS;
            if (COLUMN_TILES % COLUMN_GROUPS == 0u || tile < COLUMN_TILES)
            {
                B_MATRIX b;
                coopMatLoad(b, codes, tile * FN * TOKEN_STRIDE + step * (FK / VECTOR_CODES), TOKEN_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
                {
                    high[i * COLUMN_MATRICES + j] = coopMatMulAdd(highDigits[i], b, high[i * COLUMN_MATRICES + j]);
                    low[i * COLUMN_MATRICES + j] = coopMatMulAdd(lowDigits[i], b, low[i * COLUMN_MATRICES + j]);
                }
            }
        }
    }
}

// integerScore of fields.glsl with the row's share of the correction taken together. A score is 0 or at least 2^-48 times its factor: canonical as it is, unless that is tiny.
float scoreOf(uint dot_, uvec4 q, uint j)
{
    int zero = int(keyZeroAndSum[j] & 255u), sum = int(keyZeroAndSum[j] >> 8);
    int i = int(dot_) - zero * int(q.z) - int(q.y) * sum;
    precise float scale = uintBitsToFloat(q.x) * keyScale[j];
    precise float score = float(i) * scale;
    score = score * SCORE_SCALE;
    if (SOFTCAP != 0.0)
    {
        return cappedScore(score);
    }

    return SCORE_SCALE >= 2.44140625e-4 ? score : canonical(score);
}

void storeAttended(Tile tile, uint head)
{
    uint scratch = gl_SubgroupID * SCRATCH;
    UNROLLED for (uint i = 0u; i < ROW_MATRICES * COLUMN_MATRICES; i++)
    {
        uint column = (columnGroup + i % COLUMN_MATRICES * COLUMN_GROUPS) * FN;
        int upper[ELEMENTS];
        coopMatStore(high[i], scores, scratch, FN / 4u, gl_CooperativeMatrixLayoutRowMajor);
        subgroupMemoryBarrierShared();
        subgroupBarrier();
        UNROLLED for (uint own = 0u; own < ELEMENTS; own++)
        {
            uint e = own * SUBGROUP + gl_SubgroupInvocationID;
            upper[own] = int(scores[scratch + e / 4u][e % 4u]);
        }

        subgroupBarrier();
        coopMatStore(low[i], scores, scratch, FN / 4u, gl_CooperativeMatrixLayoutRowMajor);
        subgroupMemoryBarrierShared();
        subgroupBarrier();
        UNROLLED for (uint own = 0u; own < ELEMENTS; own++)
        {
            uint e = own * SUBGROUP + gl_SubgroupInvocationID;
            uint row = subgroupRow + i / COLUMN_MATRICES * FM + e / FN, d = column + e % FN;
            if (row < tile.rowCount && d < HEAD_SIZE)
            {
                int h = upper[own] - rowHighZero[row], l = int(scores[scratch + e / 4u][e % 4u]) - rowLowZero[row];
                attended.v[((tile.firstRow + row) * shape.heads + head) * HEAD_SIZE + d] = attendedValue(h, l, rowScale[row].x, uintBitsToFloat(rowTotal[row]));
            }
        }

        subgroupBarrier();
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
    uint firstChunk = firstSeen(firstPosition) / CHUNK, lastChunk = lastToken / CHUNK;
    subgroupRow = gl_SubgroupID / COLUMN_GROUPS * SUBGROUP_ROWS;
    columnGroup = gl_SubgroupID % COLUMN_GROUPS;
    loadKeys(firstChunk);
    for (uint row = lane; row < TILE_ROWS; row += WORKGROUP)
    {
        uvec4 q = queryParameters.v[(tile.firstRow + min(row, tile.rowCount - 1u)) * shape.heads + head];
        rowQuery[row] = uvec4(q.x, q.y, q.z - HEAD_SIZE * q.y, 0u);
        rowTotal[row] = 0u;
        rowHighZero[row] = 0;
        rowLowZero[row] = 0;
    }

    loadQueries(tile, head);
    float maximum[ROWS_EACH], largest[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        maximum[r] = -3.4e38;
        largest[r] = 0.0;
    }

    for (uint chunk = firstChunk; chunk <= lastChunk; chunk++)
    {
        storeKeys(chunk);
        barrier();
        loadKeys(min(chunk + 1u, lastChunk));
        loadParameters(chunk);
        multiplyKeys();
        barrier();
        UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES;
            uvec4 dots = scores[row * SCORE_STRIDE + quad], q = rowQuery[row];
            UNROLLED for (uint j = 0u; j < 4u; j++)
            {
                bool seen = sees(firstPosition + row, chunk * CHUNK + quad * 4u + j, lastToken);
                maximum[r] = max(maximum[r], seen ? scoreOf(dots[j], q, j) : -3.4e38);
                largest[r] = max(largest[r], seen ? valueScale[j] : 0.0);
            }
        }
    }

    loadKeys(firstChunk);
    barrier();
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        scores[(rowLane + r * ROW_LANES) * SCORE_STRIDE + quad].xy = floatBitsToUint(vec2(maximum[r], largest[r]));
    }

    barrier();
    for (uint row = lane; row < TILE_ROWS; row += WORKGROUP)
    {
        vec2 most = uintBitsToFloat(scores[row * SCORE_STRIDE].xy);
        for (uint i = 1u; i < QUADS; i++)
        {
            most = max(most, uintBitsToFloat(scores[row * SCORE_STRIDE + i].xy));
        }

        rowQuery[row].w = floatBitsToUint(most.x);
        rowScale[row] = vec2(most.y, reciprocal(most.y));
    }

    uint total[ROWS_EACH];
    uint highZero[ROWS_EACH], lowZero[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        total[r] = 0u;
        highZero[r] = 0u;
        lowZero[r] = 0u;
    }

    UNROLLED for (uint i = 0u; i < ROW_MATRICES * COLUMN_MATRICES; i++)
    {
        high[i] = C_MATRIX(0u);
        low[i] = C_MATRIX(0u);
    }

    for (uint chunk = firstChunk; chunk <= lastChunk; chunk++)
    {
        storeKeys(chunk);
        barrier();
        loadValues(chunk);
        loadParameters(chunk);
        multiplyKeys();
        barrier();
        storeValues(chunk);
        uvec2 digits[ROWS_EACH];
        uint zeros = valueZero.x | valueZero.y << 8 | valueZero.z << 16 | valueZero.w << 24;
        UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES;
            uvec4 dots = scores[row * SCORE_STRIDE + quad], q = rowQuery[row], code;
            float inverse = rowScale[row].y;
            UNROLLED for (uint j = 0u; j < 4u; j++)
            {
                bool seen = sees(firstPosition + row, chunk * CHUNK + quad * 4u + j, lastToken);
                float score = seen ? scoreOf(dots[j], q, j) : -3.4e38;
                code[j] = probabilityDigits(score, uintBitsToFloat(q.w), valueScale[j], inverse, total[r]);
            }

            digits[r] = packDigits(code);
            highZero[r] += dotPacked4x8EXT(digits[r].x, zeros);
            lowZero[r] += dotPacked4x8EXT(digits[r].y, zeros);
        }

#ifndef SHALLOW
        barrier();
#endif
        UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
        {
            uint row = rowLane + r * ROW_LANES;
#ifdef SHALLOW
            uint at = DIGITS_AT + row * TOKEN_STRIDE + quad / VECTOR_WORDS;
            codes[at][quad % VECTOR_WORDS] = digits[r].x;
            codes[at + DIGITS][quad % VECTOR_WORDS] = digits[r].y;
#else
            uint at = row * SCORE_STRIDE + quad / VECTOR_WORDS;
            scores[at][quad % VECTOR_WORDS] = digits[r].x;
            scores[at + CHUNK / VECTOR_CODES][quad % VECTOR_WORDS] = digits[r].y;
#endif
        }

        barrier();
        loadKeys(min(chunk + 1u, lastChunk));
        multiplyValues();
        barrier();
    }

    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        atomicAdd(rowTotal[rowLane + r * ROW_LANES], total[r]);
        atomicAdd(rowHighZero[rowLane + r * ROW_LANES], int(highZero[r]));
        atomicAdd(rowLowZero[rowLane + r * ROW_LANES], int(lowZero[r]));
    }

    barrier();
    for (uint row = lane; row < TILE_ROWS; row += WORKGROUP)
    {
        rowTotal[row] = floatBitsToUint(reciprocal(float(rowTotal[row])));
    }

    barrier();
    storeAttended(tile, head);
}

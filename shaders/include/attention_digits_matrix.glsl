// Attention of a tile of rows of one sequence over a 16-bit cache with cooperative matrices of signed bytes, in the arithmetic of
// attention_digits.comp: workgroup (head, tile). Stretch by stretch of 64 keys,
//   scores [row][key]    = digits of queries [row][component] · digits of keys [key][component]ᵀ, once
//   sums [row][column]   = digits of codes [row][token] · digits of values [column][token]ᵀ
// with integers passing through shared memory to invocations that know their rows, keys and columns. Keys lie in shared memory one
// digit at a time, values VALUE_COLUMNS columns at a time, so that it is bounded for every head. Subgroups lie in ROW_GROUPS along the
// rows and the rest along keys and columns.
#include "attention_matrix_tile.glsl"
#include "probability_digits.glsl"
#include "digits.glsl"

// Columns of values in shared memory at a time: a matrix for each column group up to 64 columns, where the head has them.
const uint GROUP_COLUMNS = FN * COLUMN_GROUPS;
const uint MOST_COLUMNS = GROUP_COLUMNS > 64u ? GROUP_COLUMNS : 64u / GROUP_COLUMNS * GROUP_COLUMNS;
const uint HEAD_COLUMNS = (HEAD_SIZE + GROUP_COLUMNS - 1u) / GROUP_COLUMNS * GROUP_COLUMNS;
const uint VALUE_COLUMNS = HEAD_COLUMNS < MOST_COLUMNS ? HEAD_COLUMNS : MOST_COLUMNS;
const uint VALUE_BLOCKS = (HEAD_SIZE + VALUE_COLUMNS - 1u) / VALUE_COLUMNS;
const uint COLUMN_MATRICES = VALUE_COLUMNS / GROUP_COLUMNS;                     // of a subgroup and block

const uint STAGED_ROWS = TILE_ROWS > CHUNK ? TILE_ROWS : CHUNK;                 // queries that are held lie there once, at the beginning
const uint KEY_STAGE = STAGED_ROWS * KEY_STRIDE;
const uint VALUE_STAGE = VALUE_COLUMNS * TOKEN_STRIDE;                          // of a digit
const uint DIGITS = TILE_ROWS * TOKEN_STRIDE;
const uint QUERY_PLANE = LEAN ? TILE_ROWS * KEY_STRIDE : 0u;                    // of a digit of queries that are not held
const uint SCORE_STRIDE = CHUNK / 4u + 2u;
const uint SCORE_PLANE = TILE_ROWS * SCORE_STRIDE;
const uint SCRATCH = FM * FN / 4u;                                              // a matrix of results of a subgroup

// Codes: queries, keys or values; then high digits, then low digits; then queries that are not held. Products: I = 256·high + low as high
// [row][key], four a vector, then low; then results of each subgroup. On NVIDIA's driver two workgroups of 24 KB share a processor, and none
// of more: where digits are loaded from vectors of products' size, they take the places of scores that were read, and low parts of scores
// those of the keys.
const uint STAGED = KEY_STAGE > 2u * VALUE_STAGE ? KEY_STAGE : 2u * VALUE_STAGE;
#ifdef SHALLOW
const uint DIGITS_AT = STAGED;
const uint LOW_AT = SCORE_PLANE;
const uint SCRATCH_AT = 0u;
const uint SCORES = SCORE_PLANE > SUBGROUPS * SCRATCH ? 2u * SCORE_PLANE : 2u * SUBGROUPS * SCRATCH;
const uint QUERIES_AT = LEAN ? DIGITS_AT + 2u * DIGITS : 0u;
const uint CODES = DIGITS_AT + 2u * DIGITS + 2u * QUERY_PLANE;
#define DIGITS_IN codes
#define LOW_IN products
#define LOW(at) products[LOW_AT + at]
#else
const uint DIGITS_AT = 0u;
const uint LOW_AT = 0u;
const uint SCRATCH_AT = 2u * DIGITS;
const uint SCORES = SCORE_PLANE > SCRATCH_AT + SUBGROUPS * SCRATCH ? SCORE_PLANE : SCRATCH_AT + SUBGROUPS * SCRATCH;
const uint STAGED_OR_LOW = STAGED > SCORE_PLANE ? STAGED : SCORE_PLANE;
const uint QUERIES_AT = LEAN ? STAGED_OR_LOW : 0u;
const uint CODES = STAGED_OR_LOW + 2u * QUERY_PLANE;
#define DIGITS_IN products
#define LOW_IN codes
#define LOW(at) ivec4(codes[at])
#endif
shared VECTOR codes[CODES];
shared ivec4 products[SCORES];
shared DigitRow state[TILE_ROWS];
shared int stretchMaximum[TILE_ROWS];           // ordered
shared uint stretchLargest[TILE_ROWS];
shared uint stretchMass[TILE_ROWS];

// Invocations between the matrices: four keys of every ROW_LANES-th row; then elements of a subgroup's matrices.
const uint QUADS = CHUNK / 4u;
const uint ROW_LANES = WORKGROUP / QUADS;
const uint ROWS_EACH = TILE_ROWS / ROW_LANES;
const uint ELEMENTS = FM * FN / SUBGROUP;
const uint TOKEN_GROUPS = CHUNK / VECTOR_CODES;
const uint DIGIT_MATRICES = LEAN ? 1u : ROW_MATRICES * TOKEN_STEPS;

#define A_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>
#define B_MATRIX coopmat<int8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>
#define C_MATRIX coopmat<int, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>

uint lane = gl_LocalInvocationIndex;
uint quad = lane % QUADS;
uint rowLane = lane / QUADS;
uint subgroupRow, columnGroup;
uint kvHead, lastToken;
A_MATRIX queryHigh[QUERY_MATRICES];
A_MATRIX queryLow[QUERY_MATRICES];
float sums[VALUE_BLOCKS * COLUMN_MATRICES * ROW_MATRICES * ELEMENTS];

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

// One digit of the tile's queries.
void stageQueries(Tile tile, uint head, uint firstWord, uint plane)
{
    const uint ITEMS = DEPTH / 16u;
    for (uint e = lane; e < TILE_ROWS * ITEMS; e += WORKGROUP)
    {
        uint row = e / ITEMS, item = e % ITEMS;
        uvec4 words = uvec4(0u);
        for (uint w = 0u; w < 4u; w++)
        {
            if (row < tile.rowCount && item * 4u + w < DIGIT_WORDS)
            {
                words[w] = queries.v[((tile.firstRow + row) * shape.heads + head) * HEAD_WORDS + firstWord + item * 4u + w];
            }
        }

        putItem(plane + row * KEY_STRIDE + item * (4u / VECTOR_WORDS), words);
    }
}

uint queryAt(uint i)
{
    return QUERIES_AT + (subgroupRow + i / DEPTH_STEPS * FM) * KEY_STRIDE + i % DEPTH_STEPS * (FK / VECTOR_CODES);
}

void loadQueries(Tile tile, uint head)
{
    stageQueries(tile, head, 0u, QUERIES_AT);
    if (LEAN)
    {
        // The barrier after the first keys is these queries' too.
        stageQueries(tile, head, DIGIT_WORDS, QUERIES_AT + QUERY_PLANE);
        return;
    }

    barrier();
    UNROLLED for (uint i = 0u; i < QUERY_MATRICES; i++)
    {
        coopMatLoad(queryHigh[i], codes, queryAt(i), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }

    barrier();
    stageQueries(tile, head, DIGIT_WORDS, 0u);
    barrier();
    UNROLLED for (uint i = 0u; i < QUERY_MATRICES; i++)
    {
        coopMatLoad(queryLow[i], codes, queryAt(i), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }

    barrier();
}

// A query matrix for the next products, where it is not held.
void needQuery(uint i, bool low)
{
    if (LEAN)
    {
        if (low)
        {
            coopMatLoad(queryLow[0], codes, QUERY_PLANE + queryAt(i), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
        else
        {
            coopMatLoad(queryHigh[0], codes, queryAt(i), KEY_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
    }
}

// One digit of a stretch's keys.
void stageKeys(uint chunk, uint firstWord)
{
    uint base = (chunkPlace(kvHead, chunk) * HEAD_WORDS + firstWord) * CHUNK;
    for (uint e = lane; e < CHUNK * (DEPTH / 16u); e += WORKGROUP)
    {
        uint key = e % CHUNK, item = e / CHUNK;
        uvec4 words;
        UNROLLED for (uint w = 0u; w < 4u; w++)
        {
            uint word = item * 4u + w;
            words[w] = word < DIGIT_WORDS ? keys.v[base + word * CHUNK + key] : 0u;
        }

        putItem(key * KEY_STRIDE + item * (4u / VECTOR_WORDS), words);
    }
}

// The same, four tokens of a word at a time.
void bringValues(uint base, uint firstColumn)
{
    const uint FOURS = CHUNK / 4u, ITEMS = VALUE_COLUMNS / 4u * FOURS;
    [[dont_unroll]] for (uint e = lane; e < 2u * ITEMS; e += WORKGROUP)
    {
        uint digit = e / ITEMS, item = e % ITEMS, four = item % FOURS, first = item / FOURS * 4u, word = firstColumn / 4u + item / FOURS;
        uvec4 words;
        UNROLLED for (uint t = 0u; t < 4u; t++)
        {
            words[t] = word < DIGIT_WORDS ? values.v[base + (four * 4u + t) * HEAD_WORDS + digit * DIGIT_WORDS + word] : 0u;
        }

        uvec4 turned_ = turned(words);
        UNROLLED for (uint d = 0u; d < 4u; d++)
        {
            codes[digit * VALUE_STAGE + (first + d) * TOKEN_STRIDE + four / VECTOR_WORDS][four % VECTOR_WORDS] = turned_[d];
        }
    }
}

// Both digits of some columns of a stretch's values, turned so that a vector holds one column of VECTOR_CODES tokens.
void stageValues(uint chunk, uint firstColumn)
{
    const uint ITEMS = VALUE_COLUMNS / 4u * TOKEN_GROUPS;
    uint base = chunkPlace(kvHead, chunk) * CHUNK * HEAD_WORDS;
    if (LEAN)
    {
        bringValues(base, firstColumn);
        return;
    }

    for (uint e = lane; e < 2u * ITEMS; e += WORKGROUP)
    {
        uint digit = e / ITEMS, item = e % ITEMS, group = item % TOKEN_GROUPS, first = item / TOKEN_GROUPS * 4u;
        uint word = firstColumn / 4u + item / TOKEN_GROUPS;
        VECTOR column[4];
        UNROLLED for (uint w = 0u; w < VECTOR_WORDS; w++)
        {
            uvec4 four;
            UNROLLED for (uint t = 0u; t < 4u; t++)
            {
                four[t] = word < DIGIT_WORDS ? values.v[base + (group * VECTOR_CODES + w * 4u + t) * HEAD_WORDS + digit * DIGIT_WORDS + word] : 0u;
            }

            uvec4 turned_ = turned(four);
            UNROLLED for (uint d = 0u; d < 4u; d++)
            {
                column[d][w] = turned_[d];
            }
        }

        UNROLLED for (uint d = 0u; d < 4u; d++)
        {
            codes[digit * VALUE_STAGE + (first + d) * TOKEN_STRIDE + group] = column[d];
        }
    }
}

// Exact products of the tile's rows and a stretch's keys, to shared memory.
void multiplyKeys(uint chunk)
{
    C_MATRIX hh[ROW_MATRICES * KEY_MATRICES], hl[ROW_MATRICES * KEY_MATRICES], ll[ROW_MATRICES * KEY_MATRICES];
    UNROLLED for (uint i = 0u; i < ROW_MATRICES * KEY_MATRICES; i++)
    {
        hh[i] = C_MATRIX(0);
        hl[i] = C_MATRIX(0);
        ll[i] = C_MATRIX(0);
    }

    stageKeys(chunk, 0u);
    barrier();
    UNROLLED for (uint j = 0u; j < KEY_MATRICES; j++)
    {
        UNROLLED for (uint step = 0u; step < DEPTH_STEPS; step++)
        {
            B_MATRIX b;
            coopMatLoad(b, codes, (columnGroup * KEY_MATRICES + j) * FN * KEY_STRIDE + step * (FK / VECTOR_CODES), KEY_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
            {
                uint q = i * DEPTH_STEPS + step;
                needQuery(q, false);
                hh[i * KEY_MATRICES + j] = coopMatMulAdd(queryHigh[LEAN ? 0u : q], b, hh[i * KEY_MATRICES + j]);
                needQuery(q, true);
                hl[i * KEY_MATRICES + j] = coopMatMulAdd(queryLow[LEAN ? 0u : q], b, hl[i * KEY_MATRICES + j]);
            }
        }
    }

    barrier();
    stageKeys(chunk, DIGIT_WORDS);
    barrier();
    UNROLLED for (uint j = 0u; j < KEY_MATRICES; j++)
    {
        UNROLLED for (uint step = 0u; step < DEPTH_STEPS; step++)
        {
            B_MATRIX b;
            coopMatLoad(b, codes, (columnGroup * KEY_MATRICES + j) * FN * KEY_STRIDE + step * (FK / VECTOR_CODES), KEY_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
            {
                uint q = i * DEPTH_STEPS + step;
                needQuery(q, false);
                hl[i * KEY_MATRICES + j] = coopMatMulAdd(queryHigh[LEAN ? 0u : q], b, hl[i * KEY_MATRICES + j]);
                needQuery(q, true);
                ll[i * KEY_MATRICES + j] = coopMatMulAdd(queryLow[LEAN ? 0u : q], b, ll[i * KEY_MATRICES + j]);
            }
        }
    }

#ifndef SHALLOW
    barrier();
#endif
    UNROLLED for (uint i = 0u; i < ROW_MATRICES * KEY_MATRICES; i++)
    {
        uint at = (subgroupRow + i / KEY_MATRICES * FM) * SCORE_STRIDE + (columnGroup * KEY_MATRICES + i % KEY_MATRICES) * (FN / 4u);
        C_MATRIX high = hh[i] * 256 + hl[i];
        coopMatStore(high, products, at, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        coopMatStore(ll[i], LOW_IN, LOW_AT + at, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }

    barrier();
}

// Codes of a stretch's contributions to shared memory, and the rows' factors; the first values too, once the scores are read.
void findCodes(uint chunk, uint firstPosition, float queryScale[ROWS_EACH])
{
    // What the cache holds past the tile's last token counts as 0.
    uint plane = planeTokens() / 4u, at = chunkPlace(kvHead, chunk) * (CHUNK / 4u) + quad;
    uvec4 tokens = chunk * CHUNK + quad * 4u + uvec4(0u, 1u, 2u, 3u);
    bvec4 written = lessThanEqual(tokens, uvec4(lastToken));
    vec4 keyScale = uintBitsToFloat(mix(uvec4(0u), parameters.v[at], written)), valueScale = uintBitsToFloat(mix(uvec4(0u), parameters.v[plane + at], written));
    vec4 score[ROWS_EACH];
    UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
    {
        uint row = rowLane + r * ROW_LANES, last = min(firstPosition + row, lastToken);
        ivec4 high = products[row * SCORE_STRIDE + quad], low = LOW(row * SCORE_STRIDE + quad);
        float maximum = BELOW_ALL_SCORES;
        UNROLLED for (uint j = 0u; j < 4u; j++)
        {
            score[r][j] = digitScore(exactSum(high[j], low[j]), queryScale[r], keyScale[j]);
            maximum = max(maximum, sees(firstPosition + row, tokens[j], last) ? score[r][j] : BELOW_ALL_SCORES);
        }

        atomicMax(stretchMaximum[row], ordered(maximum));
    }

    barrier();
    stageValues(chunk, 0u);
    UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
    {
        uint row = rowLane + r * ROW_LANES, last = min(firstPosition + row, lastToken), mass = 0u;
        float maximum = unordered(stretchMaximum[row]);
        UNROLLED for (uint j = 0u; j < 4u; j++)
        {
            uint seen = 0u;
            float contribution = contributionOf(score[r][j], maximum, valueScale[j], seen);
            bool visible = sees(firstPosition + row, tokens[j], last);
            score[r][j] = visible ? contribution : 0.0;
            mass += visible ? seen : 0u;
        }

        atomicMax(stretchLargest[row], floatBitsToUint(max(max(score[r].x, score[r].y), max(score[r].z, score[r].w))));
        atomicAdd(stretchMass[row], mass);
    }

    barrier();
    UNROLLED for (uint r = 0u; r < ROWS_EACH; r++)
    {
        uint row = rowLane + r * ROW_LANES;
        float largest = uintBitsToFloat(stretchLargest[row]), levels = levelsOf(largest);
        uvec4 code;
        UNROLLED for (uint j = 0u; j < 4u; j++)
        {
            code[j] = contributionCode(score[r][j], levels);
        }

        uvec2 digits = packSignedDigits(code);
        uint to = DIGITS_AT + row * TOKEN_STRIDE + quad / VECTOR_WORDS;
#ifdef SHALLOW
        codes[to][quad % VECTOR_WORDS] = digits.x;
        codes[to + DIGITS][quad % VECTOR_WORDS] = digits.y;
#else
        products[to][quad % VECTOR_WORDS] = int(digits.x);
        products[to + DIGITS][quad % VECTOR_WORDS] = int(digits.y);
#endif
        if (quad == 0u)
        {
            DigitRow next = state[row];
            addStretch(next, unordered(stretchMaximum[row]), largest, stretchMass[row]);
            state[row] = next;
            stretchMaximum[row] = ordered(BELOW_ALL_SCORES);
        }
    }

    barrier();
    for (uint r = 0u; r < ROWS_EACH && quad == 0u; r++)
    {
        stretchLargest[rowLane + r * ROW_LANES] = 0u;
        stretchMass[rowLane + r * ROW_LANES] = 0u;
    }
}

uint digitsAt(uint i)
{
    return DIGITS_AT + (subgroupRow + i / TOKEN_STEPS * FM) * TOKEN_STRIDE + i % TOKEN_STEPS * (FK / VECTOR_CODES);
}

// Adds the stretch's Σ c·v of a block of columns to this invocation's elements.
void addValues(uint block)
{
    A_MATRIX highDigits[DIGIT_MATRICES], lowDigits[DIGIT_MATRICES];
    UNROLLED for (uint i = 0u; i < DIGIT_MATRICES && !LEAN; i++)
    {
        coopMatLoad(highDigits[i], DIGITS_IN, digitsAt(i), TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        coopMatLoad(lowDigits[i], DIGITS_IN, digitsAt(i) + DIGITS, TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }

#ifdef SHALLOW
    uint scratch = SCRATCH_AT + gl_SubgroupID * 2u * SCRATCH;
#else
    uint scratch = SCRATCH_AT + gl_SubgroupID * SCRATCH;
#endif
    UNROLLED for (uint j = 0u; j < COLUMN_MATRICES; j++)
    {
        C_MATRIX hh[ROW_MATRICES], hl[ROW_MATRICES], ll[ROW_MATRICES];
        UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
        {
            hh[i] = C_MATRIX(0);
            hl[i] = C_MATRIX(0);
            ll[i] = C_MATRIX(0);
        }

        UNROLLED for (uint step = 0u; step < TOKEN_STEPS; step++)
        {
            uint at = (columnGroup * COLUMN_MATRICES + j) * FN * TOKEN_STRIDE + step * (FK / VECTOR_CODES);
            B_MATRIX high, low;
            coopMatLoad(high, codes, at, TOKEN_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            coopMatLoad(low, codes, VALUE_STAGE + at, TOKEN_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
            UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
            {
                uint p = LEAN ? 0u : i * TOKEN_STEPS + step;
                if (LEAN)
                {
                    coopMatLoad(highDigits[p], DIGITS_IN, digitsAt(i * TOKEN_STEPS + step), TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                }

                hh[i] = coopMatMulAdd(highDigits[p], high, hh[i]);
                hl[i] = coopMatMulAdd(highDigits[p], low, hl[i]);
                if (LEAN)
                {
                    coopMatLoad(lowDigits[p], DIGITS_IN, digitsAt(i * TOKEN_STEPS + step) + DIGITS, TOKEN_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                }

                hl[i] = coopMatMulAdd(lowDigits[p], high, hl[i]);
                ll[i] = coopMatMulAdd(lowDigits[p], low, ll[i]);
            }
        }

        UNROLLED for (uint i = 0u; i < ROW_MATRICES; i++)
        {
            C_MATRIX upper = hh[i] * 256 + hl[i];
            int high[ELEMENTS];
            coopMatStore(upper, products, scratch, FN / 4u, gl_CooperativeMatrixLayoutRowMajor);
#ifdef SHALLOW
            uint lowScratch = scratch + SCRATCH;
#else
            // One after the other in the same place.
            uint lowScratch = scratch;
            subgroupMemoryBarrierShared();
            subgroupBarrier();
            UNROLLED for (uint e = 0u; e < ELEMENTS; e++)
            {
                uint element = e * SUBGROUP + gl_SubgroupInvocationID;
                high[e] = products[scratch + element / 4u][element % 4u];
            }

            subgroupBarrier();
#endif
            coopMatStore(ll[i], products, lowScratch, FN / 4u, gl_CooperativeMatrixLayoutRowMajor);
            subgroupMemoryBarrierShared();
            subgroupBarrier();
            UNROLLED for (uint e = 0u; e < ELEMENTS; e++)
            {
                uint element = e * SUBGROUP + gl_SubgroupInvocationID, row = subgroupRow + i * FM + element / FN;
#ifdef SHALLOW
                high[e] = products[scratch + element / 4u][element % 4u];
#endif
                float sum = exactSum(high[e], products[lowScratch + element / 4u][element % 4u]);
                uint own = ((block * COLUMN_MATRICES + j) * ROW_MATRICES + i) * ELEMENTS + e;
                sums[own] = addAttended(sums[own], sum, state[row].old, state[row].unit);
            }

            subgroupBarrier();
        }
    }
}

void storeAttended(Tile tile, uint head)
{
    UNROLLED for (uint own = 0u; own < VALUE_BLOCKS * COLUMN_MATRICES * ROW_MATRICES * ELEMENTS; own++)
    {
        uint element = own % ELEMENTS * SUBGROUP + gl_SubgroupInvocationID, i = own / ELEMENTS % ROW_MATRICES, j = own / ELEMENTS / ROW_MATRICES % COLUMN_MATRICES;
        uint block = own / ELEMENTS / ROW_MATRICES / COLUMN_MATRICES, row = subgroupRow + i * FM + element / FN;
        uint d = block * VALUE_COLUMNS + (columnGroup * COLUMN_MATRICES + j) * FN + element % FN;
        if (row < tile.rowCount && d < HEAD_SIZE)
        {
            precise float v = sums[own] * reciprocal(state[row].total);
            attended.v[((tile.firstRow + row) * shape.heads + head) * HEAD_SIZE + d] = canonical(v);
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
    subgroupRow = gl_SubgroupID / COLUMN_GROUPS * SUBGROUP_ROWS;
    columnGroup = gl_SubgroupID % COLUMN_GROUPS;
    for (uint row = lane; row < TILE_ROWS; row += WORKGROUP)
    {
        state[row] = DigitRow(BELOW_ALL_SCORES, 0.0, 0.0, 0.0);
        stretchMaximum[row] = ordered(BELOW_ALL_SCORES);
        stretchLargest[row] = 0u;
        stretchMass[row] = 0u;
    }

    loadQueries(tile, head);
    float queryScale[ROWS_EACH];
    for (uint r = 0u; r < ROWS_EACH; r++)
    {
        queryScale[r] = uintBitsToFloat(queryParameters.v[(tile.firstRow + min(rowLane + r * ROW_LANES, tile.rowCount - 1u)) * shape.heads + head].x);
    }

    UNROLLED for (uint own = 0u; own < VALUE_BLOCKS * COLUMN_MATRICES * ROW_MATRICES * ELEMENTS; own++)
    {
        sums[own] = 0.0;
    }

    for (uint chunk = firstSeen(firstPosition) / CHUNK; chunk <= lastToken / CHUNK; chunk++)
    {
        multiplyKeys(chunk);
        findCodes(chunk, firstPosition, queryScale);
        UNROLLED for (uint block = 0u; block < VALUE_BLOCKS; block++)
        {
            if (block > 0u)
            {
                barrier();
                stageValues(chunk, block * VALUE_COLUMNS);
                barrier();
            }

            addValues(block);
        }

        barrier();
    }

    storeAttended(tile, head);
}

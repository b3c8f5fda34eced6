// Normalises and rotates queries and keys of every row and appends keys and values to the cache: workgroup (four head slots, row), slots being the
// query heads, then key heads, then value heads. The including shader quantizes in appendHeads. Needs heads.glsl, pages.glsl, cache.glsl.
#ifndef APPEND_GLSL
#define APPEND_GLSL

uint firstSlot;

bool isQuery(uint i)
{
    return firstSlot + i < shape.heads;
}

bool isKey(uint i)
{
    return !isQuery(i) && firstSlot + i < shape.heads + shape.kvHeads;
}

// Where head i of this workgroup, a key or a value, goes.
uint cachePlace(uint i, Row row)
{
    return tokenPlace(firstSlot + i - shape.heads - (isKey(i) ? 0u : shape.kvHeads), row.position);
}

// Quantizes the heads in headValues, whose ranges are found, to `queries` and to the cache.
void appendHeads(Row row, uint count);

void main()
{
    Row row = rows.v[gl_WorkGroupID.y];
    findPages(row);
    uint slots = shape.heads + 2u * shape.kvHeads;
    firstSlot = gl_WorkGroupID.x * HEADS_AT_ONCE;
    uint count = min(HEADS_AT_ONCE, slots - firstSlot);
    // Past the last slot the last one is loaded again and goes nowhere.
    uint first[HEADS_AT_ONCE];
    for (uint i = 0u; i < HEADS_AT_ONCE; i++)
    {
        first[i] = (gl_WorkGroupID.y * slots + firstSlot + min(i, count - 1u)) * HEAD_SIZE;
    }

    uint firstQuery = gl_WorkGroupID.y * slots * HEAD_SIZE, queries = shape.heads, keys = shape.heads + shape.kvHeads;
    loadHeads(first, row.position, HeadKinds(
        firstQuery, firstQuery + queries * HEAD_SIZE, min(queries - min(firstSlot, queries), count), min(keys - min(firstSlot, keys), count)));
    findHeadRanges();
    appendHeads(row, count);
}

#endif

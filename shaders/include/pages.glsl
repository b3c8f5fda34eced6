// Where the cache holds the tokens of a row's sequence (the layout is drawn in attention.glsl): in the pages that a table names, or, in a
// cache that is not PAGED, in those of its own. The table lies behind the rows of the batch, and a row says where its sequence's begins.
// Needs rows.glsl, attention.glsl and the push constants `rows` and `shape`.
#ifndef PAGES_GLSL
#define PAGES_GLSL

uint ownPages;          // the sequence's: its part of the table, or its first page

void findPages(Row row)
{
    ownPages = PAGED ? row.pages : row.sequence * shape.chunks;
}

// The page of a chunk of positions.
uint pageOf(uint chunk)
{
    return PAGED ? InWords(rows).v[ownPages + chunk] : ownPages + (WRAPS ? chunk % shape.chunks : chunk);
}

// A chunk of a head, counted in chunks from the beginning of the cache.
uint chunkPlace(uint kvHead, uint chunk)
{
    return kvHead * shape.pages + pageOf(chunk);
}

// A token of a head, counted in tokens from the beginning of the cache.
uint tokenPlace(uint kvHead, uint t)
{
    return PAGED ? chunkPlace(kvHead, t / CHUNK) * CHUNK + t % CHUNK
        : (kvHead * shape.pages + ownPages) * CHUNK + (WRAPS ? t % (shape.chunks * CHUNK) : t);
}

// Tokens of all heads: a plane of the parameters.
uint planeTokens()
{
    return shape.kvHeads * shape.pages * CHUNK;
}

#endif

// The rows of a batch, one token of one sequence each, and the tiles of rows that attend together.
#ifndef ROWS_GLSL
#define ROWS_GLSL

struct Row
{
    uint token;
    uint sequence;
    uint position;
    uint pages;         // where its sequence's part of the table of pages begins, in words from the beginning of the rows
};

// Consecutive rows of one sequence at consecutive positions.
struct Tile
{
    uint firstRow;
    uint rowCount;
};

layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InRows { Row v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly restrict buffer InTiles { Tile v[]; };

#endif

// W' = diag(row)·W·diag(column) + a·bᵀ + D, an element of it (Portable.Reference's StudentLinear). Needs training_table.glsl, TABLE_TYPE, RANK_ONE and
// OFFSET.
#ifndef TRAINING_WEIGHTS_GLSL
#define TRAINING_WEIGHTS_GLSL

struct Transformed
{
    InWords weights;        // N × K
    InFloats rowFactors;
    InFloats columnFactors;
    InFloats rankRow;
    InFloats rankColumn;
    InFloats offsets;       // N × K
};

float transformed(in Transformed t, uint n, uint k, uint columns)
{
    uint at = n * columns + k;
    precise float v = tableValue(t.weights, TABLE_TYPE, at) * t.columnFactors.v[k];
    v = v * t.rowFactors.v[n];
    if (RANK_ONE)
    {
        precise float part = t.rankColumn.v[k] * t.rankRow.v[n];
        v = v + part;
    }

    if (OFFSET)
    {
        v = v + t.offsets.v[at];
    }

    return v;
}

#endif

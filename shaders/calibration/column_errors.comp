#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "buffers.glsl"
#include "doubles.glsl"
#include "exact_doubles.glsl"

// Error tables of the columns of a matrix, as Portable.Reference's ErrorTable has them: rows are added one after the other, in f64, on top of what is
// there, so that a matrix may come in several dispatches. An invocation owns a column, or a step of a column with its sums for 1 … PARTS parts;
// workgroup (columns, step).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const bool TABLES = false;  // else what a table begins with
layout(constant_id = 2) const uint PARTS = 8;       // at most 8
layout(constant_id = 3) const uint STEPS = 49;

layout(push_constant) uniform Push
{
    InFloats weights;       // rows × columns
    InDoubles rowWeights;
    InDoubles inputs;       // energy of each column, then the share of errors that counts
    Doubles facts;          // of each column: largest magnitude, Σ weight·w², Σ rowWeight·w²
    InDoubles steps;        // STEPS × columns
    InWords parts;          // STEPS × columns
    Doubles errors;         // columns × STEPS × PARTS
    uint columns;
    uint firstRow;
    uint rows;              // of this dispatch
    uint q;
};

// floor(m/step + 0.5), the quotient rounded once.
double codeOf(double m, double step, double inverse)
{
    precise double estimate = m * inverse;
    precise double up = estimate + 0.5LF;
    double code = floor(up);
    double rest = up - code;
    if (rest < 1e-6LF || rest > 0.999999LF)
    {
        // Too near to a border for an estimate.
        precise double exact = exactQuotient(m, step) + 0.5LF;
        code = floor(exact);
    }

    return code;
}

void main()
{
    uint column = gl_WorkGroupID.x * WORKGROUP + gl_LocalInvocationIndex;
    if (column >= columns)
    {
        return;
    }

    double energy = inputs.v[column], share = inputs.v[columns];
    uint end = firstRow + rows;
    if (!TABLES)
    {
        double largest = facts.v[3u * column], own = facts.v[3u * column + 1u], all = facts.v[3u * column + 2u];
        for (uint row = firstRow; row < end; row++)
        {
            double m = abs(double(weights.v[row * columns + column])), weight = rowWeights.v[row];
            precise double weighed = weight * energy;
            precise double counted = weighed * share;
            precise double first = counted * m;
            precise double sum = own + first * m;
            precise double second = weight * m;
            precise double total = all + second * m;
            largest = max(largest, m);
            own = sum;
            all = total;
        }

        facts.v[3u * column] = largest;
        facts.v[3u * column + 1u] = own;
        facts.v[3u * column + 2u] = all;
        return;
    }

    uint at = gl_WorkGroupID.y * columns + column, count = parts.v[at], target = (column * STEPS + gl_WorkGroupID.y) * PARTS;
    double step = steps.v[at], inverse = inverseOf(step), sums[8];
    [[unroll]] for (uint n = 0u; n < PARTS; n++)
    {
        sums[n] = firstRow == 0u ? 0.0LF : errors.v[target + n];
    }

    for (uint row = firstRow; row < end; row++)
    {
        double m = abs(double(weights.v[row * columns + column]));
        precise double weighed = rowWeights.v[row] * energy;
        precise double weight = weighed * share;
        double code = codeOf(m, step, inverse);
        [[unroll]] for (uint n = 0u; n < PARTS; n++)
        {
            if (n < count)
            {
                precise double level = step * min(code, double((n + 1u) * q));
                precise double error = m - level;
                precise double once = weight * error;
                precise double twice = once * error;
                precise double sum = sums[n] + twice;
                sums[n] = sum;
            }
        }
    }

    [[unroll]] for (uint n = 0u; n < PARTS; n++)
    {
        errors.v[target + n] = sums[n];
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "doubles.glsl"
#include "exact_doubles.glsl"
#include "weight_grids.glsl"

// A panel of columns, one after the other, an invocation a weight; f64, unfused. As Portable.Reference's Gptq has it, from the last column to the
// first, the error of each taken from those before it; as its CodeDescent has it, from the first to the last, each code to the best one while the others
// stay. What that does to columns outside of the panel is double_update's.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 128;         // WIDTH × rows
layout(constant_id = 1) const bool DESCENT = false;
layout(constant_id = 2) const bool AWAY = false;            // ties away from zero

const uint WIDTH = 64u;
const uint ROWS = WORKGROUP / WIDTH;

layout(push_constant) uniform Push
{
    Doubles values;         // rows × size: compensated weights in the order of the factor; gradients
    InDoubles matrix;       // size × size: L⁻¹; the Hessian
    Doubles changes;        // rows × WIDTH: errors over the diagonal; steps
    Doubles levels;         // rows × size in the order of the weights: code − zero point
    WeightGrids grids;
    Doubles residuals;      // of a descent: rows × size
    InWords order;          // column of each position
    InDoubles damping;      // of the Hessian's diagonal
    uint rows;
    uint size;
    uint first;             // position of the panel
    uint width;             // its columns, at most WIDTH
    uint group;             // columns that share a grid
    uint gridStride;        // grids of a row, 0: all rows have the same
};

shared double change[ROWS];

void main()
{
    uint c = gl_LocalInvocationIndex % WIDTH, local = gl_LocalInvocationIndex / WIDTH, row = gl_WorkGroupID.x * ROWS + local;
    bool there = row < rows && c < width;
    uint position = first + c, column = !there ? 0u : DESCENT ? position : order.v[position], at = row * size + position, level = row * size + column;
    InDoubles panel = elementsFrom(matrix, first * size);
    double value = there ? values.v[at] : 0.0LF, lambda = DESCENT ? damping.v[0] : 0.0LF, s = 1.0LF, inverse = 1.0LF, low = 0.0LF, high = 0.0LF, zero = 0.0LF, now = 0.0LF, curvature = 1.0LF, lacking = 0.0LF;
    if (there)
    {
        WeightGrid grid = grids.v[row * gridStride + column / group];
        s = double(grid.scale);
        inverse = inverseOf(s);
        zero = double(grid.zero);
        low = double(grid.minimum - grid.zero);
        high = double(grid.maximum - grid.zero);
        curvature = panel.v[c * size + position];
        if (DESCENT)
        {
            now = levels.v[level];
            lacking = residuals.v[level];
            precise double damped = curvature + lambda;
            curvature = damped;
        }
    }

    for (uint i = 0u; i < width; i++)
    {
        uint j = DESCENT ? i : width - 1u - i;

        // On its way while the column is rounded.
        double coupling = there && (DESCENT || c < j) ? panel.v[j * size + position] : 0.0LF;
        if (c == j && there)
        {
            double made = 0.0LF;
            if (DESCENT)
            {
                precise double stiffness = curvature * s;
                precise double moved = (now + zero) + exactQuotient(value, stiffness);
                double next = min(max(nearestInteger(min(max(moved, -1048576.0LF), 1048576.0LF)) - zero, low), high);
                if (next != now)
                {
                    precise double step = s * (next - now);
                    precise double worse = step * curvature - 2.0LF * value;
                    precise double gain = step * worse;
                    if (gain < 0.0LF)
                    {
                        now = next;
                        made = step;
                        precise double rest = lacking - step;
                        lacking = rest;
                    }
                }
            }
            else
            {
                now = levelOf(value, s, inverse, low, high, AWAY);
                precise double decoded = s * now;
                precise double off = value - decoded;
                made = exactQuotient(off, curvature);
            }

            change[local] = made;
            changes.v[row * WIDTH + c] = made;
        }

        barrier();
        if (there && (DESCENT || c < j))
        {
            double by = change[local];
            precise double product = by * coupling;
            precise double rest = value - product;
            value = rest;
            if (DESCENT && c == j)
            {
                precise double damped = -by * lambda;
                precise double sum = value + damped;
                value = sum;
            }
        }

        barrier();
    }

    if (there)
    {
        levels.v[level] = now;
        if (DESCENT)
        {
            values.v[at] = value;
            residuals.v[level] = lacking;
        }
    }
}

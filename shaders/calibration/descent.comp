#version 460
#extension GL_GOOGLE_include_directive : require
#define WORKGROUP_DOUBLES
#include "buffers.glsl"
#include "doubles.glsl"
#include "buffer_barrier.glsl"
#include "exact_doubles.glsl"
#include "weight_grids.glsl"

// Least squares on the scales of rows for their codes, as Portable.Reference's CodeDescent has it, in f64, unfused; a workgroup a row.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 64;
layout(constant_id = 1) const uint STEP = 0;
layout(constant_id = 2) const bool HALVES = true;

const uint STEP_RESIDUALS = 0u;     // residuals = weights − scale·level
const uint STEP_SYSTEM = 1u;        // normal and right sides; group y
const uint STEP_SOLVE = 2u;         // right = solution; systems that are not positive definite have NaN in its first place
const uint STEP_APPLY = 3u;         // the new scales, where they lower the error
const uint STEP_CODES = 4u;         // 16-bit codes, two a word: an invocation a word
const uint STEP_ROUND = 5u;         // levels = the nearest to weights: an invocation a weight

layout(push_constant) uniform Push
{
    InFloats weights;       // rows × size
    Doubles residuals;      // rows × size
    Doubles gradients;      // rows × size
    Doubles levels;         // rows × size: code − zero point
    WeightGrids grids;      // rows × groups
    InDoubles images;       // of the chunk: rows × groups × size, H·levels of each group
    WorkgroupDoubles normal;       // of the chunk: rows × groups × groups
    WorkgroupDoubles right;        // of the chunk: rows × groups
    Doubles trial;          // of the chunk: rows × 2·size: residuals and gradients with the new scales
    uint firstRow;          // of the chunk
    uint rows;
    uint size;
    uint group;             // columns of a group
    uint groups;
};

shared double terms[WORKGROUP];
shared double termsBefore[WORKGROUP];
shared double known[WORKGROUP];
shared double total;
shared double totalBefore;
shared bool failed;

void system(uint chunkRow, uint row)
{
    uint g = gl_WorkGroupID.y, begin = g * group, end = min(begin + group, size);
    for (uint j = gl_LocalInvocationIndex; j <= g + 1u; j += WORKGROUP)
    {
        // Place g + 1 stands for the right side.
        double sum = 0.0LF;
        uint from = (chunkRow * groups + j) * size;
        for (uint k = begin; k < end; k++)
        {
            precise double product = levels.v[row * size + k] * (j <= g ? images.v[from + k] : gradients.v[row * size + k]);
            precise double next = sum + product;
            sum = next;
        }

        if (j <= g)
        {
            normal.v[(chunkRow * groups + g) * groups + j] = sum;
        }
        else
        {
            right.v[chunkRow * groups + g] = sum;
        }
    }
}

void solve(uint chunkRow)
{
    uint a = chunkRow * groups * groups, b = chunkRow * groups;
    if (gl_LocalInvocationIndex == 0u)
    {
        failed = false;
    }

    barrier();
    for (uint j = 0u; j < groups; j++)
    {
        if (gl_LocalInvocationIndex == 0u)
        {
            double pivot = normal.v[a + j * groups + j];
            pivot = pivot == 0.0LF ? 1.0LF : pivot;
            for (uint k = 0u; k < j; k++)
            {
                double v = normal.v[a + j * groups + k];
                precise double square = v * v;
                precise double rest = pivot - square;
                pivot = rest;
            }

            failed = failed || !(pivot > 0.0LF);
            normal.v[a + j * groups + j] = failed ? 1.0LF : exactRoot(pivot);
        }

        bufferBarrier();
        double pivot = normal.v[a + j * groups + j];
        for (uint i = j + 1u + gl_LocalInvocationIndex; i < groups; i += WORKGROUP)
        {
            double v = normal.v[a + i * groups + j];
            for (uint k = 0u; k < j; k++)
            {
                precise double product = normal.v[a + i * groups + k] * normal.v[a + j * groups + k];
                precise double rest = v - product;
                v = rest;
            }

            normal.v[a + i * groups + j] = exactQuotient(v, pivot);
        }

        bufferBarrier();
    }

    for (uint k = 0u; k < groups; k++)
    {
        if (gl_LocalInvocationIndex == 0u)
        {
            right.v[b + k] = exactQuotient(right.v[b + k], normal.v[a + k * groups + k]);
        }

        bufferBarrier();
        double x = right.v[b + k];
        for (uint i = k + 1u + gl_LocalInvocationIndex; i < groups; i += WORKGROUP)
        {
            precise double product = normal.v[a + i * groups + k] * x;
            precise double rest = right.v[b + i] - product;
            right.v[b + i] = rest;
        }

        bufferBarrier();
    }

    for (uint place = 0u; place < groups; place++)
    {
        uint i = groups - 1u - place;
        double x = right.v[b + i];
        for (uint begin = i + 1u; begin < groups; begin += WORKGROUP)
        {
            uint k = begin + gl_LocalInvocationIndex;
            if (k < groups)
            {
                precise double product = normal.v[a + k * groups + i] * right.v[b + k];
                known[gl_LocalInvocationIndex] = product;
            }

            barrier();
            for (uint l = 0u; l < WORKGROUP && begin + l < groups && gl_LocalInvocationIndex == 0u; l++)
            {
                precise double rest = x - known[l];
                x = rest;
            }

            barrier();
        }

        if (gl_LocalInvocationIndex == 0u)
        {
            right.v[b + i] = exactQuotient(x, normal.v[a + i * groups + i]);
        }

        bufferBarrier();
    }

    if (gl_LocalInvocationIndex == 0u && failed)
    {
        right.v[b] = packDouble2x32(uvec2(0u, 0x7FF80000u));
    }
}

void apply(uint chunkRow, uint row)
{
    uint b = chunkRow * groups, residual = chunkRow * 2u * size, gradient = residual + size, from = row * size;
    if (isnan(right.v[b]))
    {
        return;
    }

    // What each scale changes by, in place of the solution; the scales in place of the system.
    bufferBarrier();
    for (uint g = gl_LocalInvocationIndex; g < groups; g += WORKGROUP)
    {
        double before = double(grids.v[row * groups + g].scale);
        precise double wanted = before + right.v[b + g];
        double scale = double(nearestScale(wanted, HALVES));
        precise double change = scale - before;
        right.v[b + g] = change;
        normal.v[b * groups + g] = scale;
    }

    if (gl_LocalInvocationIndex == 0u)
    {
        total = totalBefore = 0.0LF;
    }

    bufferBarrier();
    for (uint begin = 0u; begin < size; begin += WORKGROUP)
    {
        uint k = begin + gl_LocalInvocationIndex;
        if (k < size)
        {
            precise double taken = right.v[b + k / group] * levels.v[from + k];
            precise double r = residuals.v[from + k] - taken;
            double v = gradients.v[from + k];
            for (uint g = 0u; g < groups; g++)
            {
                precise double product = right.v[b + g] * images.v[(chunkRow * groups + g) * size + k];
                precise double rest = v - product;
                v = rest;
            }

            precise double after = r * v;
            precise double before = residuals.v[from + k] * gradients.v[from + k];
            terms[gl_LocalInvocationIndex] = after;
            termsBefore[gl_LocalInvocationIndex] = before;
            trial.v[residual + k] = r;
            trial.v[gradient + k] = v;
        }

        barrier();
        for (uint l = 0u; l < WORKGROUP && begin + l < size && gl_LocalInvocationIndex < 2u; l++)
        {
            if (gl_LocalInvocationIndex == 0u)
            {
                precise double sum = total + terms[l];
                total = sum;
            }
            else
            {
                precise double sum = totalBefore + termsBefore[l];
                totalBefore = sum;
            }
        }

        barrier();
    }

    if (total < totalBefore)
    {
        for (uint k = gl_LocalInvocationIndex; k < size; k += WORKGROUP)
        {
            residuals.v[from + k] = trial.v[residual + k];
            gradients.v[from + k] = trial.v[gradient + k];
        }

        for (uint g = gl_LocalInvocationIndex; g < groups; g += WORKGROUP)
        {
            grids.v[row * groups + g].scale = nearestFloat(normal.v[b * groups + g]);
        }
    }
}

void main()
{
    uint chunkRow = gl_WorkGroupID.x, row = firstRow + chunkRow;
    if (STEP == STEP_RESIDUALS)
    {
        for (uint k = gl_LocalInvocationIndex; k < size; k += WORKGROUP)
        {
            uint at = row * size + k;
            precise double decoded = double(grids.v[row * groups + k / group].scale) * levels.v[at];
            precise double rest = double(weights.v[at]) - decoded;
            residuals.v[at] = rest;
        }
    }
    else if (STEP == STEP_SYSTEM)
    {
        system(chunkRow, row);
    }
    else if (STEP == STEP_SOLVE)
    {
        solve(chunkRow);
    }
    else if (STEP == STEP_APPLY)
    {
        apply(chunkRow, row);
    }
    else if (STEP == STEP_CODES)
    {
        uint word = gl_GlobalInvocationID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x * WORKGROUP, all = rows * size, codes = 0u;
        for (uint part = 0u; part < 2u && 2u * word + part < all; part++)
        {
            uint at = 2u * word + part;
            codes |= (uint(int(levels.v[at]) + grids.v[at / size * groups + at % size / group].zero) & 0xFFFFu) << (16u * part);
        }

        if (2u * word < all)
        {
            Words(trial).v[word] = codes;
        }
    }
    else
    {
        for (uint k = gl_LocalInvocationIndex; k < size; k += WORKGROUP)
        {
            WeightGrid grid = grids.v[row * groups + k / group];
            double s = double(grid.scale);
            levels.v[row * size + k] = levelOf(double(weights.v[row * size + k]), s, inverseOf(s), double(grid.minimum - grid.zero), double(grid.maximum - grid.zero), false);
        }
    }
}

#version 460
#extension GL_GOOGLE_include_directive : require
#include "buffers.glsl"
#include "doubles.glsl"
#include "exact_doubles.glsl"
#include "weight_grids.glsl"

// The grid of least Σ h·(w − ŵ)² for runs of weights, as Portable.Reference's GridSearch finds it: workgroup (run of columns, row). Candidates are
// measured side by side, each by four invocations with one of its four partial sums, and then taken in the order of the search.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 96;          // 4 × candidates at a time
layout(constant_id = 1) const bool SYMMETRIC = false;
layout(constant_id = 2) const int LEVELS = 15;              // the largest code; of symmetric grids the largest code, the smallest being −LEVELS − 1
layout(constant_id = 3) const bool HALVES = true;           // scales of 11 significant bits
layout(constant_id = 4) const bool WEIGHED = true;          // h is there; else all weights are alike
layout(constant_id = 5) const uint CUTS = 17;
layout(constant_id = 6) const uint PARTS = 14;

const int ZERO_REACH = SYMMETRIC ? 0 : 2;
const uint TURNS = 6u;
const uint SLOTS = WORKGROUP / 4u;

layout(push_constant) uniform Push
{
    InDoubles weights;
    InDoubles importance;
    WeightGrids grids;
    InDoubles parts;        // CUTS parts of the largest magnitude, then PARTS parts of a scale
    uint columns;           // of the weights
    uint first;             // column of the first run
    uint group;             // columns of a run; the last may be shorter
    uint gridStride;        // grids of a row
    uint firstGrid;         // of the first run
};

struct Candidate
{
    float scale;
    int zero;
    double error;
    double product;
    double square;
};

shared double errors[WORKGROUP];
shared double products[WORKGROUP];
shared double squares[WORKGROUP];
shared Candidate found[SLOTS];
shared Candidate best;
shared Candidate kept[2];
shared bool going[2];

uint origin;
uint start;
uint count;

double weightAt(uint i)
{
    return weights.v[origin + i];
}

double importanceAt(uint i)
{
    return WEIGHED ? importance.v[start + i] : 1.0LF;
}

double lowest(int zero)
{
    return double(SYMMETRIC ? -LEVELS - 1 : -zero);
}

double highest(int zero)
{
    return double(SYMMETRIC ? LEVELS : LEVELS - zero);
}

// Adds a weight to the sums (error, product, square).
void add(uint i, double s, double inverse, double low, double high, inout double e, inout double p, inout double q)
{
    double w = weightAt(i), h = importanceAt(i), d = levelOf(w, s, inverse, low, high, false);
    precise double level = s * d;
    precise double off = w - level;
    precise double hd = h * d;
    precise double squared = off * off;
    precise double weighed = h * squared;
    precise double error = e + weighed;
    precise double hdw = hd * w;
    precise double product = p + hdw;
    precise double hdd = hd * d;
    precise double square = q + hdd;
    e = error;
    p = product;
    q = square;
}

// Measures the candidates of all slots: found[slot] has grid and sums afterwards. Called by all invocations.
void measure(float scale, int zero, bool wanted)
{
    uint lane = gl_LocalInvocationIndex % 4u, slot = gl_LocalInvocationIndex / 4u;
    double s = double(scale), inverse = inverseOf(s), low = lowest(zero), high = highest(zero), e = 0.0LF, p = 0.0LF, q = 0.0LF;
    uint whole = count / 4u * 4u;
    for (uint i = lane; i < whole && wanted; i += 4u)
    {
        add(i, s, inverse, low, high, e, p, q);
    }

    errors[gl_LocalInvocationIndex] = e;
    products[gl_LocalInvocationIndex] = p;
    squares[gl_LocalInvocationIndex] = q;
    barrier();
    if (lane == 0u && wanted)
    {
        uint at = gl_LocalInvocationIndex;
        precise double leftE = errors[at] + errors[at + 1u];
        precise double rightE = errors[at + 2u] + errors[at + 3u];
        precise double leftP = products[at] + products[at + 1u];
        precise double rightP = products[at + 2u] + products[at + 3u];
        precise double leftQ = squares[at] + squares[at + 1u];
        precise double rightQ = squares[at + 2u] + squares[at + 3u];
        precise double error = leftE + rightE;
        precise double product = leftP + rightP;
        precise double square = leftQ + rightQ;
        for (uint i = whole; i < count; i++)
        {
            add(i, s, inverse, low, high, error, product, square);
        }

        found[slot] = Candidate(scale, zero, error, product, square);
    }

    barrier();
}

// The grid of a range.
void gridOf(float lo, float hi, out float scale, out int zero)
{
    if (SYMMETRIC)
    {
        scale = nearestScale(exactQuotient(double(max(abs(lo), abs(hi))), double(LEVELS)), HALVES);
        zero = 0;
        return;
    }

    precise double range = double(hi) - double(lo);
    scale = nearestScale(exactQuotient(range, double(LEVELS)), HALVES);
    zero = int(levelOf(double(-lo), double(scale), inverseOf(double(scale)), 0.0LF, double(LEVELS), false));
}

void main()
{
    uint row = gl_WorkGroupID.y, slot = gl_LocalInvocationIndex / 4u;
    start = first + gl_WorkGroupID.x * group;
    count = min(group, columns - start);
    origin = row * columns + start;

    // The range, 0 within it.
    double lo = 0.0LF, hi = 0.0LF;
    for (uint i = gl_LocalInvocationIndex; i < count; i += WORKGROUP)
    {
        lo = min(lo, weightAt(i));
        hi = max(hi, weightAt(i));
    }

    errors[gl_LocalInvocationIndex] = lo;
    products[gl_LocalInvocationIndex] = hi;
    barrier();
    for (uint i = 0u; i < WORKGROUP; i++)
    {
        lo = min(lo, errors[i]);
        hi = max(hi, products[i]);
    }

    barrier();
    double largest = max(-lo, hi);
    for (uint begin = 0u; begin <= CUTS; begin += SLOTS)
    {
        uint c = begin + slot;
        float scale = 1.0;
        int zero = 0;
        if (c <= CUTS)
        {
            precise double edge = largest * (c == 0u ? 1.0LF : parts.v[c - 1u]);
            gridOf(nearestFloat(max(lo, -edge)), nearestFloat(min(hi, edge)), scale, zero);
        }

        measure(scale, zero, c <= CUTS);
        if (gl_LocalInvocationIndex == 0u)
        {
            for (uint i = 0u; i < SLOTS && begin + i <= CUTS; i++)
            {
                if (begin + i == 0u || found[i].error < best.error)
                {
                    best = found[i];
                }
            }
        }

        barrier();
    }

    if (best.error != 0.0LF)
    {
        float centre = best.scale;
        int firstZero = max(0, best.zero - ZERO_REACH), lastZero = min(LEVELS, best.zero + ZERO_REACH);
        if (SYMMETRIC)
        {
            firstZero = lastZero = 0;
        }

        uint all = uint(lastZero - firstZero + 1) * PARTS;
        if (gl_LocalInvocationIndex == 0u)
        {
            kept[0] = kept[1] = best;
        }

        barrier();
        for (uint begin = 0u; begin < all; begin += SLOTS)
        {
            uint c = begin + slot;
            precise double scaled = double(centre) * parts.v[CUTS + c % PARTS];
            measure(nearestScale(scaled, HALVES), firstZero + int(c / PARTS), c < all);
            if (gl_LocalInvocationIndex == 0u)
            {
                for (uint i = 0u; i < SLOTS && begin + i < all; i++)
                {
                    Candidate candidate = found[i];
                    for (uint j = 0u; j < 2u; j++)
                    {
                        if (candidate.error < kept[j].error)
                        {
                            Candidate worse = kept[j];
                            kept[j] = candidate;
                            candidate = worse;
                        }
                    }
                }
            }

            barrier();
        }

        if (gl_LocalInvocationIndex < 2u)
        {
            going[gl_LocalInvocationIndex] = true;
        }

        for (uint turn = 0u; turn < TURNS; turn++)
        {
            barrier();
            if (gl_LocalInvocationIndex < 2u)
            {
                uint i = gl_LocalInvocationIndex;
                going[i] = going[i] && kept[i].square > 0.0LF && kept[i].product > 0.0LF;
            }

            barrier();
            bool wanted = slot < 2u && going[min(slot, 1u)];
            float scale = 1.0;
            if (wanted)
            {
                scale = nearestScale(exactQuotient(kept[slot].product, kept[slot].square), HALVES);
            }

            measure(scale, wanted ? kept[slot].zero : 0, wanted);
            if (gl_LocalInvocationIndex < 2u && going[gl_LocalInvocationIndex])
            {
                uint i = gl_LocalInvocationIndex;
                if (found[i].error < kept[i].error)
                {
                    kept[i] = found[i];
                }
                else
                {
                    going[i] = false;
                }
            }
        }

        barrier();
        if (gl_LocalInvocationIndex == 0u)
        {
            for (uint i = 0u; i < 2u; i++)
            {
                if (kept[i].error < best.error)
                {
                    best = kept[i];
                }
            }
        }
    }

    barrier();
    if (gl_LocalInvocationIndex == 0u)
    {
        grids.v[row * gridStride + firstGrid + gl_WorkGroupID.x] = WeightGrid(best.scale, best.zero, SYMMETRIC ? -LEVELS - 1 : 0, LEVELS);
    }
}

// A stretch of a split decode attention, and what it leaves in `scratch` for each (row, head) of a 2 … 8-bit cache:
//   scores [seen chunks × 64]     maxima [MOST_STRETCHES][2]     PARTIALS words of sums, the shader's own
#ifndef DECODE_SPLIT_GLSL
#define DECODE_SPLIT_GLSL

const uint MOST_STRETCHES = 16u;

uint maximaBase, partialBase;

// Sums that other workgroups of the dispatch read.
#define partialSums SharedWords(scratch).v

// Whole chunks of the row's tokens up to now; none: no tokens.
void findTokens(uint now)
{
    seen = firstSeen(now);
    origin = seen / CHUNK * CHUNK;
    begin = origin;
    end = now + 1u;
    if (PART != PART_ALL)
    {
        uint tokens = ((now - origin) / CHUNK + gl_NumWorkGroups.z) / gl_NumWorkGroups.z * CHUNK, first = origin + gl_WorkGroupID.z * tokens;
        begin = first > now ? origin : first;
        end = first > now ? origin : min(first + tokens, end);
    }
}

// The same, and where their scores lie.
void findStretch(uint row, uint head, uint now, uint partials)
{
    findTokens(now);
    uint capacity = seenChunks(shape) * CHUNK;
    scratchBase = (row * shape.heads + head) * capacity;
    if (PART != PART_ALL)
    {
        scratchBase = (row * shape.heads + head) * (capacity + 2u * MOST_STRETCHES + partials);
        maximaBase = scratchBase + capacity;
        partialBase = maximaBase + 2u * MOST_STRETCHES;
    }
}

void storeMaxima(vec2 maxima)
{
    scratch.v[maximaBase + gl_WorkGroupID.z * 2u] = floatBitsToUint(maxima.x);
    scratch.v[maximaBase + gl_WorkGroupID.z * 2u + 1u] = floatBitsToUint(maxima.y);
}

vec2 largestMaxima()
{
    vec2 most = vec2(-3.4e38, 0.0);
    for (uint z = 0u; z < gl_NumWorkGroups.z; z++)
    {
        most = max(most, uintBitsToFloat(uvec2(scratch.v[maximaBase + z * 2u], scratch.v[maximaBase + z * 2u + 1u])));
    }

    return most;
}

// Whether this workgroup is the last stretch of its head; then the others' partial sums can be read.
bool isLastStretch()
{
    return arrivesLast(headFinished, gl_WorkGroupID.y * shape.heads + gl_WorkGroupID.x, gl_NumWorkGroups.z);
}

#endif

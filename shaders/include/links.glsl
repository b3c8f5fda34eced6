// Dispatches of one row that follow one another without a barrier of the device. A row that one leaves for the next lies in memory of its own,
// all of whose words are ABSENT when the step begins: whoever reads it looks until they are not. So a value takes one trip to whom it is for, there
// are neither counters nor fences, and what does not depend on the dispatch before, weights above all, is asked for before the wait.
//
// Every word is one atomic location and tells of itself alone; nothing else is passed on: shaders/README.md, "Memory order". Nothing promises
// that the workgroups which are waited for run meanwhile, so that every wait ends: then `undone` is set, what the step leaves is worthless, and
// the host runs it again with barriers.
#ifndef LINKS_GLSL
#define LINKS_GLSL
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_memory_scope_semantics : require

layout(constant_id = 27) const bool LINKED = false;

const uint ABSENT = 0xFFFFFFFFu; // a NaN; values have another
const uint OTHER_NAN = 0x7FC00000u;
const uint MOST_LOOKS = 1u << 17; // some 0.1 s
const uint LOOKS_APART = 64u; // between looks at whether others have given up

// A row, by linkedPlace. Touched by atomics alone.
layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer LinkedRow { uint v[]; };

// Memory of the host: whether a wait of this step has come to nothing.
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer Undone { uint v; };

uint looks = 0u;

// Where value n of a row of `columns`, a multiple of four, stands: an invocation reads four neighbours, and a subgroup words side by side.
uint linkedPlace(uint n, uint columns)
{
    return (n & 3u) * (columns >> 2) + (n >> 2);
}

// Notes a look in vain; false: it was the last.
bool looksOn(Undone undone)
{
    looks++;
    if (looks >= MOST_LOOKS || (looks % LOOKS_APART == 0u && atomicLoad(undone.v, gl_ScopeDevice, 0, 0) != 0u))
    {
        atomicStore(undone.v, 1u, gl_ScopeDevice, 0, 0);
        looks = MOST_LOOKS;
        return false;
    }

    return true;
}

uint lookAt(LinkedRow row, uint place)
{
    return atomicLoad(row.v[place], gl_ScopeDevice, 0, 0);
}

// Four neighbours, which may not be there yet.
uvec4 lookAtQuad(LinkedRow row, uint quad, uint columns)
{
    uvec4 words;
    [[unroll]] for (uint j = 0u; j < 4u; j++)
    {
        words[j] = lookAt(row, j * (columns >> 2) + quad);
    }

    return words;
}

// One value, once it is there.
float awaitValue(LinkedRow row, uint place, Undone undone)
{
    uint word = lookAt(row, place);
    while (word == ABSENT && looksOn(undone))
    {
        word = lookAt(row, place);
    }

    return uintBitsToFloat(word);
}

void leaveValue(LinkedRow row, uint place, float v)
{
    uint word = floatBitsToUint(v);
    atomicStore(row.v[place], word == ABSENT ? OTHER_NAN : word, gl_ScopeDevice, 0, 0);
}

#endif

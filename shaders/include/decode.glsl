// Attention of one new token a sequence: workgroup (head, row) normalises and rotates its query and its KV head's key and value, appends the
// latter, attends over the cache and itself, and the last workgroup of a row to finish quantizes the row for the output
// projection.
//
// Long contexts are split: workgroup (head, row, stretch of whole chunks), in two dispatches, because codes and exponentials need
// the maximum of all scores. The first (PART_SCORES) leaves scores and each stretch's maxima in `scratch`, the second (PART_SUMS)
// each stretch's sums; the last stretch of a head to finish adds them in the order that one workgroup would have.
#ifndef DECODE_GLSL
#define DECODE_GLSL

layout(constant_id = 7) const uint SCORE_CAPACITY = 1024;       // scores kept in shared memory, or 1: in `scratch`
layout(constant_id = 8) const uint QUANTIZER_MODE = 0;
layout(constant_id = 9) const uint CODE_BITS = 8;
layout(constant_id = 10) const bool HAS_MAP = false;
layout(constant_id = 11) const uint GROUP_CAPACITY = 1;
layout(constant_id = 12) const uint GROUP_WORDS = 1;
layout(constant_id = 13) const bool QUADS = false;
layout(constant_id = 14) const uint HELD = 1;
layout(constant_id = 15) const uint PART = 0;
layout(constant_id = 28) const uint LEAVES = 0;                 // with LINKED: where what is attended goes

const uint LEAVES_LINKED = 1u;
const uint LEAVES_PLAIN = 2u;
const uint PART_ALL = 0u;
const uint PART_SCORES = 1u;
const uint PART_SUMS = 2u;

#include "prepare_push.glsl"
#include "handshake.glsl"
#include "links.glsl"

// How the row is quantized: what does not fit into the push constants that every device has, and is needed last.
layout(buffer_reference, std430, buffer_reference_align = 16) readonly restrict buffer InRowQuantizer
{
    InMap map;
    Prepared prepared;
    Quantizer quantizer;
};

layout(push_constant) uniform Push
{
    InRows rows;
    InFloats qkv;
    InFloats rotary;
    Words keys;
    Words values;
    Words parameters;
    SharedFloats attended;
    ArrivalCounters finished;   // workgroups of each row that are done; 0 between dispatches
    ArrivalCounters headFinished;   // stretches of each row's head that are done, [row × heads + head]; 0 between dispatches
    Words scratch;              // where scores exceed shared memory: [(row × heads + head) × seen chunks × 64]; split: see decode_split.glsl
    InRowQuantizer rowQuantizer;
    InFloats queryGain;
    InFloats keyGain;
    AttentionShape shape;
};

#include "pages.glsl"

// A linked dispatch is of one row and quantizes none: the row that it leaves stands in the place of `finished`, and who is told of waits in vain
// in that of `rowQuantizer`.
uint linkedToken(uint at)
{
    return linkedPlace(at, (shape.heads + 2u * shape.kvHeads) * HEAD_SIZE);
}

// Values that the dispatch before has made of the token; linked: that have been waited for.
float newValue(uint at)
{
    return LINKED ? uintBitsToFloat(lookAt(LinkedRow(qkv), linkedToken(at))) : qkv.v[at];
}

// Two of them; linked: waits.
vec2 newPair(uint atA, uint atB)
{
    if (!LINKED)
    {
        return vec2(qkv.v[atA], qkv.v[atB]);
    }

    uvec2 words;
    do
    {
        words = uvec2(lookAt(LinkedRow(qkv), linkedToken(atA)), lookAt(LinkedRow(qkv), linkedToken(atB)));
    }
    while (any(equal(words, uvec2(ABSENT))) && looksOn(Undone(rowQuantizer)));
    return uintBitsToFloat(words);
}

// Waits for some of them. What one invocation has seen the others see after a barrier: a word keeps its value.
void awaitNew(uint first, uint count)
{
    for (uint i = gl_LocalInvocationIndex; LINKED && i < count; i += WORKGROUP)
    {
        awaitValue(LinkedRow(qkv), linkedToken(first + i), Undone(rowQuantizer));
    }
}

void awaitedBarrier()
{
    if (LINKED)
    {
        bufferBarrier();
    }
}

void leaveAttended(uint at, float v)
{
    if (LINKED && (LEAVES & LEAVES_LINKED) != 0u)
    {
        leaveValue(LinkedRow(finished), linkedPlace(at, shape.heads * HEAD_SIZE), v);
    }

    if (!LINKED || (LEAVES & LEAVES_PLAIN) != 0u)
    {
        attended.v[at] = v;
    }
}

InMap map;
Prepared prepared;

shared uint scores[SCORE_CAPACITY];

uint origin;            // the first token of the chunk in which the row begins to see
uint seen;              // the first token that the row sees
uint begin, end;        // the tokens of this workgroup, from the beginning of a chunk on
uint scratchBase;

// Which of the keys, WORKGROUP at a time, an invocation takes: those that turn the token's own heads the last, so that what they wait for does not
// come behind keys.
uint keyLane()
{
    const uint HEAD_LANES = (3u * HEAD_SIZE / 2u + CHUNK - 1u) / CHUNK * CHUNK; // whole chunks of keys stay together
    return WORKGROUP > HEAD_LANES ? (gl_LocalInvocationIndex + WORKGROUP - HEAD_LANES) % WORKGROUP : gl_LocalInvocationIndex;
}

uint loadScore(uint t)
{
    return SCORE_CAPACITY > 1u ? scores[t - begin] : SharedWords(scratch).v[scratchBase + t - origin];
}

void storeScore(uint t, uint bits)
{
    if (SCORE_CAPACITY > 1u)
    {
        scores[t - begin] = bits;
    }
    else
    {
        SharedWords(scratch).v[scratchBase + t - origin] = bits;
    }
}

// A barrier after which scores written by other invocations are read.
void scoreBarrier()
{
    if (SCORE_CAPACITY == 1u)
    {
        bufferBarrier();
    }
    else
    {
        barrier();
    }
}

float inputValue(uint k)
{
    return attended.v[gl_WorkGroupID.y * shape.heads * HEAD_SIZE + k];
}

vec4 inputValues(uint k)
{
    return SharedQuads(attended).v[(gl_WorkGroupID.y * shape.heads * HEAD_SIZE + k) >> 2];
}

#include "prepare.glsl"
#include "decode_split.glsl"

// Quantizes the row when this workgroup is the last of its heads.
void finishRow()
{
    if (QUANTIZER_MODE == MODE_FLOAT)
    {
        return;
    }

    // On their way while the counter is.
    Quantizer quantizer = rowQuantizer.quantizer;
    prepared = rowQuantizer.prepared;
    map = rowQuantizer.map;
    if (arrivesLast(finished, gl_WorkGroupID.y, shape.heads))
    {
        holdValues(quantizer);
        quantizeRow(gl_WorkGroupID.y, quantizer);
    }
}

#endif

// One head's query, key or value: rotary and ranges; head_codes.glsl and head_digits.glsl quantize.
// HEADS_AT_ONCE heads (3 or 4) go through together. Needs contract.glsl, WORKGROUP threads, HEAD_SIZE, rotary tables `rotary[]` (cos then sin per position).
#ifndef HEADS_GLSL
#define HEADS_GLSL

const uint PAIRS = HEAD_SIZE / 2u;

shared float headValues[HEADS_AT_ONCE * HEAD_SIZE];
shared uint headLow[HEADS_AT_ONCE], headHigh[HEADS_AT_ONCE];
shared uint headSum[HEADS_AT_ONCE];     // for the sums of codes

// Loads (and rotates the first `rotated`) heads into headValues. Half-split pairs: a' = a·c − b·s, b' = b·c + a·s.
void loadHeads(uint first[HEADS_AT_ONCE], uint position, uint rotated)
{
    if (gl_LocalInvocationIndex < HEADS_AT_ONCE)
    {
        headLow[gl_LocalInvocationIndex] = 0u;
        headHigh[gl_LocalInvocationIndex] = 0u;
        headSum[gl_LocalInvocationIndex] = 0u;
    }

    for (uint j = gl_LocalInvocationIndex; j < HEADS_AT_ONCE * PAIRS; j += WORKGROUP)
    {
        uint head = j / PAIRS, i = j % PAIRS;
        float a = qkv.v[first[head] + i], b = qkv.v[first[head] + i + PAIRS];
        if (head < rotated)
        {
            float c = rotary.v[position * HEAD_SIZE + i], s = rotary.v[position * HEAD_SIZE + PAIRS + i];
            precise float ac = a * c;
            precise float bs = b * s;
            precise float bc = b * c;
            precise float as = a * s;
            precise float x = ac - bs;
            precise float y = bc + as;
            a = canonical(x);
            b = canonical(y);
        }

        headValues[head * HEAD_SIZE + i] = a;
        headValues[head * HEAD_SIZE + i + PAIRS] = b;
    }

    barrier();
}

// The ranges of the heads in headValues. A subgroup inside one head gives one range.
void findHeadRanges()
{
    for (uint i = gl_LocalInvocationIndex; i < HEADS_AT_ONCE * HEAD_SIZE; i += WORKGROUP)
    {
        // Both are ≥ +0, where float order is integer order.
        float v = headValues[i];
        uint head = i / HEAD_SIZE;
        uint low = floatBitsToUint(v < 0.0 ? -v : 0.0), high = floatBitsToUint(v > 0.0 ? v : 0.0);
        bool shares = true;
        if (subgroupAllEqual(head))
        {
            low = subgroupMax(low);
            high = subgroupMax(high);
            shares = subgroupElect();
        }

        if (shares)
        {
            atomicMax(headLow[head], low);
            atomicMax(headHigh[head], high);
        }
    }

    barrier();
}

#endif

// Products of causal attention, one head along z: y = a·b over what the triangle leaves. A run of 128 queries meets the keys up to its last;
// sums over queries are taken run by run and the runs added, as Portable.Reference's TrainingAttention does. train_attention*.comp.
layout(constant_id = 10) const uint PART = 0;
layout(constant_id = 11) const uint GROUP = 1;              // query heads that share a key and value head

const uint PART_SCORES = 0u;        // y[query][key]: rows of keys behind the run are left as they are
const uint PART_ROWS = 1u;          // y[query][column] = Σ over keys
const uint PART_COLUMNS = 2u;       // y[key][column] = Σ over queries, run by run
const uint RUN = 128u;

layout(push_constant) uniform Push
{
    InWords a;
    InWords b;
    Floats y;
    uint m;
    uint n;
    uint k;
    uint aHead;             // elements from a head's operand to the next one's
    uint bHead;
    uint yHead;
};

// Where the elements of a head begin.
uvec2 ofHead(uvec2 address, uint head, uint elements)
{
    uint high, low, carry;
    umulExtended(head, elements * 4u, high, low);
    low = uaddCarry(address.x, low, carry);
    return uvec2(low, address.y + high + carry);
}

void main()
{
    uint head = gl_WorkGroupID.z, m0 = gl_WorkGroupID.y * TILE_M, n0 = gl_WorkGroupID.x * TILE_N;
    if (PART == PART_SCORES && n0 >= m0 / RUN * RUN + RUN)
    {
        return;
    }

    InWords left = InWords(ofHead(uvec2(a), head, aHead)), right = InWords(ofHead(uvec2(b), head / GROUP, bHead));
    Floats target = Floats(ofHead(uvec2(y), head, yHead));
    if (PART == PART_COLUMNS)
    {
        float totals[MICRO_M][MICRO_N];
        [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
        {
            [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
            {
                totals[i][j] = 0.0;
            }
        }

        for (uint first = m0 / RUN * RUN; first < k; first += RUN)
        {
            multiplyTile(left, right, m0, n0, m, n, k, first, min(first + RUN, k));
            [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
            {
                [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
                {
                    precise float sum = totals[i][j] + sums[i][j];
                    totals[i][j] = sum;
                }
            }
        }

        [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
        {
            [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
            {
                sums[i][j] = totals[i][j];
            }
        }
    }
    else
    {
        multiplyTile(left, right, m0, n0, m, n, k, 0u, PART == PART_ROWS ? min(m0 / RUN * RUN + RUN, k) : k);
    }

    [[unroll]] for (uint i = 0u; i < MICRO_M; i++)
    {
        [[unroll]] for (uint j = 0u; j < MICRO_N; j++)
        {
            uint row = m0 + rowOf(i), column = n0 + columnOf(j);
            if (row < m && column < n)
            {
                target.v[row * n + column] = sums[i][j];
            }
        }
    }
}

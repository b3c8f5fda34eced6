// Attention where every subgroup has 16 rows of its own, whose scores, digits and results never leave its registers but for a patch of
// shared memory that turns sums of one product into an operand of the next: workgroups meet only where keys and values are replaced.
//
// Vulkan does not say where the elements of a matrix lie. This is written for 16×16 sums of 32 invocations that lie as rowOf and columnOf
// say, as they do on NVIDIA's; a device whose matrices lie otherwise gives wrong results at first contact, and loses these kernels.
#extension GL_KHR_shader_subgroup_shuffle : require
#include "attention_matrix_tile.glsl"

const uint TILES = CHUNK / 16u;                             // matrices of a chunk's keys
const uint HEAD_TILES = (HEAD_SIZE + 15u) / 16u;            // of a head's columns
const uint PATCH_STRIDE = 5u;                               // vectors of a row: high and low digits of 32 tokens, and one of padding
const uint PATCH = 16u * PATCH_STRIDE;

uint lane = gl_LocalInvocationIndex;
uint four = gl_SubgroupInvocationID % 4u;                   // which of the four invocations of a row
uint subgroupRow;                                           // the subgroup's first row
uint kvHead, lastToken;

// Which of an invocation's two rows element e of a matrix belongs to: row gl_SubgroupInvocationID / 4 and that 8 below.
uint rowOf(uint e)
{
    return e / 4u;
}

// Its column: two pairs of neighbours 8 apart.
uint columnOf(uint e)
{
    return four * 2u + e % 2u + e % 4u / 2u * 8u;
}

// Over the invocations of a row.
float rowMaximum(float v)
{
    v = max(v, subgroupShuffleXor(v, 1u));
    return max(v, subgroupShuffleXor(v, 2u));
}

uint rowSum(uint v)
{
    v += subgroupShuffleXor(v, 1u);
    return v + subgroupShuffleXor(v, 2u);
}

// Whether the subgroup's rows see anything of a chunk, and whether all of them see all of it.
bool seesAny(uint chunk, uint firstPosition, uint rowCount)
{
    uint first = firstPosition + subgroupRow, last = min(first + 15u, lastToken);
    return subgroupRow < rowCount && chunk * CHUNK <= last && (WINDOW == 0u || chunk * CHUNK + CHUNK > firstSeen(first));
}

bool seesAll(uint chunk, uint firstPosition)
{
    uint first = firstPosition + subgroupRow;
    return chunk * CHUNK + CHUNK - 1u <= min(first, lastToken) && (WINDOW == 0u || chunk * CHUNK >= firstSeen(first + 15u));
}

// A bit for each element of a chunk, matrix by matrix: whether its row sees its key.
uint seenElements(uint chunk, uint firstPosition)
{
    if (seesAll(chunk, firstPosition))
    {
        return 0xFFFFFFFFu;
    }

    uint seen = 0u;
    [[unroll]] for (uint i = 0u; i < TILES * 8u; i++)
    {
        uint position = firstPosition + subgroupRow + gl_SubgroupInvocationID / 4u + rowOf(i % 8u) * 8u;
        seen |= sees(position, chunk * CHUNK + i / 8u * 16u + columnOf(i % 8u), lastToken) ? 1u << i : 0u;
    }

    return seen;
}

// Tokens of a vector of values of 16: the byte of an operand that lies with the digits of its token, word by word.
uint tokenOf(uint word, uint byte)
{
    return word * 2u + byte % 2u + byte / 2u * 8u;
}

// Sizes of an attention dispatch; the host's AttentionConstants.
struct AttentionShape
{
    uint heads;
    uint kvHeads;
    uint chunks;        // of a sequence: its capacity in chunks of 64 tokens
    uint pages;         // chunks that the cache has room for, of all sequences
};

const uint CHUNK = 64u;

// Sizes of an attention dispatch; the host's AttentionConstants.
struct AttentionShape
{
    uint heads;
    uint kvHeads;
    uint chunks;        // cache capacity in chunks of 64 tokens
    uint slots;         // sequences × KV heads
};

const uint CHUNK = 64u;

uint slotOf(AttentionShape shape, uint sequence, uint kvHead)
{
    return sequence * shape.kvHeads + kvHead;
}

namespace Portable.Reference.Blocks;

/// <summary>The linear layers that a decoder block may have, in the order of the forward pass.</summary>
internal enum BlockSlot
{
    /// <summary>Query projection, (heads × head size) × hidden.</summary>
    Query,

    /// <summary>Key projection, (KV heads × head size) × hidden.</summary>
    Key,

    /// <summary>Value projection, (KV heads × head size) × hidden.</summary>
    Value,

    /// <summary>Attention output projection, hidden × (heads × head size).</summary>
    Output,

    /// <summary>Gate projection, intermediate × hidden; gated MLPs have one.</summary>
    Gate,

    /// <summary>Up projection (OPT: fc1), intermediate × hidden.</summary>
    Up,

    /// <summary>Down projection (OPT: fc2), hidden × intermediate.</summary>
    Down,
}

namespace Portable.Vulkan.Engine;

/// <summary>
/// A shader with its specialization constants fixed: one record type for each file of shaders/, whose properties are the
/// constants. Equal records are one pipeline.
/// </summary>
internal abstract record Shader
{
    /// <summary>Name in the <see cref="ShaderLibrary"/>.</summary>
    public abstract string Name { get; }

    /// <summary>Bytes of push constants that each dispatch gives.</summary>
    public abstract int PushBytes { get; }

    /// <summary>Required subgroup size (with full subgroups), or 0 for any.</summary>
    public virtual int SubgroupSize => 0;

    /// <summary>Writes every specialization constant under its id; a test compares ids, names and types with the shader's.</summary>
    public abstract void Specialize(SpecializationConstants constants);
}

/// <summary>A shader and what its dispatches give it.</summary>
/// <typeparam name="TPush">Push constants, laid out as in the shader; a test compares offsets and sizes.</typeparam>
internal abstract unsafe record Shader<TPush> : Shader
    where TPush : unmanaged
{
    /// <inheritdoc/>
    public sealed override int PushBytes => sizeof(TPush);
}

using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/include/attention_matrix.glsl and attention_digits_matrix.glsl: a tile of rows with cooperative matrices.</summary>
internal abstract record AttentionMatrixShader : AttentionTileShader
{
    /// <summary>Invocations of a subgroup.</summary>
    public required int Subgroup { get; init; }

    /// <summary>Rows of a matrix.</summary>
    public required int FM { get; init; }

    /// <summary>Columns of a matrix.</summary>
    public required int FN { get; init; }

    /// <summary>Depth of a matrix.</summary>
    public required int FK { get; init; }

    /// <summary>Subgroups along the rows.</summary>
    public required int RowGroups { get; init; }

    /// <summary>Whether it takes few registers: queries stay in shared memory, keys and values come as they are stored.</summary>
    public required bool Lean { get; init; }

    /// <inheritdoc/>
    public override int SubgroupSize => Subgroup;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(8, Subgroup);
        constants.Set(9, FM);
        constants.Set(10, FN);
        constants.Set(11, FK);
        constants.Set(12, RowGroups);
        constants.Set(13, Lean);
    }
}

/// <summary>shaders/model/attention_matrix.comp: 2 … 8-bit codes, matrices 16 codes deep or deeper.</summary>
internal sealed record DeepAttentionMatrixShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_matrix";
}

/// <summary>shaders/model/attention_matrix_shallow.comp: 2 … 8-bit codes, matrices 8 codes deep.</summary>
internal sealed record ShallowAttentionMatrixShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_matrix_shallow";
}

/// <summary>shaders/model/attention_digits_matrix.comp: 16-bit codes, matrices 16 codes deep or deeper.</summary>
internal sealed record DeepDigitMatrixShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_digits_matrix";
}

/// <summary>shaders/model/attention_digits_matrix_shallow.comp: 16-bit codes, matrices 8 codes deep.</summary>
internal sealed record ShallowDigitMatrixShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_digits_matrix_shallow";
}

/// <summary>shaders/model/attention_rows.comp: 2 … 8-bit codes, rows that stay in registers.</summary>
internal sealed record AttentionRowsShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_rows";
}

/// <summary>shaders/model/attention_digits_rows.comp: 16-bit codes, rows that stay in registers.</summary>
internal sealed record DigitRowsShader : AttentionMatrixShader
{
    /// <inheritdoc/>
    public override string Name => "attention_digits_rows";
}

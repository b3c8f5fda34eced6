namespace Portable.Vulkan.Devices;

/// <summary>Element types of cooperative matrices that matter here (values of VkComponentTypeKHR).</summary>
internal enum MatrixElement
{
    /// <summary>IEEE binary16.</summary>
    Float16 = 0,

    /// <summary>IEEE binary32.</summary>
    Float32 = 1,

    /// <summary>Signed byte.</summary>
    Int8 = 3,

    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 5,

    /// <summary>Unsigned byte.</summary>
    UInt8 = 7,

    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32 = 9,

    /// <summary>bfloat16.</summary>
    BFloat16 = 1000141000,
}

/// <summary>One row of the device's cooperative-matrix table: C (M×N) = A (M×K) · B (K×N) + C.</summary>
/// <param name="M">Rows of A and C.</param>
/// <param name="N">Columns of B and C.</param>
/// <param name="K">Columns of A, rows of B.</param>
/// <param name="A">Element type of A.</param>
/// <param name="B">Element type of B.</param>
/// <param name="C">Element type of C and of the result.</param>
/// <param name="Workgroup">Scope: a workgroup (NV_cooperative_matrix2) or a subgroup.</param>
/// <param name="Invocations">Workgroup size that a workgroup-scope row asks for, else 0.</param>
internal sealed record CooperativeMatrixShape(int M, int N, int K, MatrixElement A, MatrixElement B, MatrixElement C, bool Workgroup = false, int Invocations = 0)
{
    /// <summary>Whether it multiplies signed bytes into 32-bit sums.</summary>
    public bool IsSignedByte => A == MatrixElement.Int8 && B == MatrixElement.Int8 && C == MatrixElement.Int32;

    /// <summary>For example <c>16x16x32 Int8·Int8→Int32</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{M}x{N}x{K} {A}·{B}→{C}{(Workgroup ? " workgroup" : "")}");
}

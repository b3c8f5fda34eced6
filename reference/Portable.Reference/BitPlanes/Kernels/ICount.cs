namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>A number known to the compiler, so that code for other numbers is left out.</summary>
internal interface ICount
{
    /// <summary>The number.</summary>
    static abstract int Value { get; }
}

internal struct One : ICount
{
    public static int Value => 1;
}

internal struct Two : ICount
{
    public static int Value => 2;
}

internal struct Three : ICount
{
    public static int Value => 3;
}

internal struct Four : ICount
{
    public static int Value => 4;
}

internal struct Seven : ICount
{
    public static int Value => 7;
}

internal struct Eight : ICount
{
    public static int Value => 8;
}

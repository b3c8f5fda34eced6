#pragma warning disable CA1812, CS0169, CS0414
namespace Portable.Tests.Architecture.Samples;

internal class Base;

internal sealed class Derived : Base;

internal sealed class Element;

internal sealed class Field
{
    private readonly List<Element[]>? _elements = null;
}

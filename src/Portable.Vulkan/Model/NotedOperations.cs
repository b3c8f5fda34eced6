using System.Runtime.InteropServices;
using Portable.Vulkan.Operations;

namespace Portable.Vulkan.Model;

/// <summary>The operations that a pass has noted. One that stands at its place since an earlier pass is kept, so that equal passes allocate nothing.</summary>
internal sealed class NotedOperations
{
    private readonly List<IOperation> _operations = [];
    private int _noted;

    /// <summary>What this pass has noted.</summary>
    public ReadOnlySpan<IOperation> Noted => CollectionsMarshal.AsSpan(_operations)[.._noted];

    /// <summary>Begins a pass.</summary>
    public void Clear() => _noted = 0;

    /// <summary>Notes an operation.</summary>
    public void Add<T>(T operation)
        where T : struct, IOperation, IEquatable<T>
    {
        if (_noted == _operations.Count)
        {
            _operations.Add(operation);
        }
        else if (!(_operations[_noted] is T same && same.Equals(operation)))
        {
            _operations[_noted] = operation;
        }

        _noted++;
    }
}

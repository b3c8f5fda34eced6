using System.Diagnostics.CodeAnalysis;
using Portable.Vulkan.Operations;

namespace Portable.Vulkan.Model;

/// <summary>The recorded passes by batch shape. Two passes of one shape that take turns keep both of their plans.</summary>
internal sealed class PlanStore : IDisposable
{
    private const int MostPlans = 256;
    private readonly Dictionary<PlanKey, Plan> _plans = [], _others = [];

    /// <summary>The plan that was recorded from the same operations.</summary>
    public bool TryFind(PlanKey key, ReadOnlySpan<IOperation> operations, [NotNullWhen(true)] out Plan? plan)
    {
        if (_plans.TryGetValue(key, out plan) && operations.SequenceEqual(plan.Operations))
        {
            return true;
        }

        if (!_others.TryGetValue(key, out Plan? other) || !operations.SequenceEqual(other.Operations))
        {
            return false;
        }

        (_plans[key], _others[key]) = (other, plan!);
        plan = other;
        return true;
    }

    /// <summary>Keeps a plan; of others of its shape the latest stays.</summary>
    public void Add(PlanKey key, Plan plan)
    {
        if (_plans.Remove(key, out Plan? before))
        {
            if (_others.Remove(key, out Plan? other))
            {
                other.Dispose();
            }

            _others[key] = before;
        }

        if (_plans.Count >= MostPlans)
        {
            Clear();
        }

        _plans.Add(key, plan);
    }

    /// <summary>Forgets all plans.</summary>
    public void Clear()
    {
        foreach (Plan plan in _plans.Values.Concat(_others.Values))
        {
            plan.Dispose();
        }

        _plans.Clear();
        _others.Clear();
    }

    public void Dispose() => Clear();
}

using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>
/// One token's decode step in fewer dispatches: where a row is prepared for one product alone, the product's kernel prepares it, and where an
/// activation and one more product follow, the first finishes with the activation and the second prepares what that leaves.
/// </summary>
internal static class FusedProducts
{
    /// <summary>Records a preparation together with what follows it.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="x">The row.</param>
    /// <param name="norm">Its norm, or null.</param>
    /// <param name="input">What would be prepared.</param>
    /// <param name="following">The operations behind the preparation.</param>
    /// <returns>How many of them are recorded; 0: nothing is, the preparation neither.</returns>
    public static int Record(PlanRecorder plan, VulkanActivation x, VulkanNorm? norm, VulkanInput input, ReadOnlySpan<IOperation> following)
    {
        if (!plan.FusesProducts || Clean(plan, Find(plan.Gpu.Facts, norm, input, following)) is not { } fusion)
        {
            return 0;
        }

        Product first = fusion.First;
        ulong gain = norm?.Buffer.Address ?? 0;
        if (fusion.Then is not { } then)
        {
            fusion.Plan.Record(plan, GemvPlan.Push(first.Matrix, x.Address, gain, first.Address, first.Residual), x, first.Y, first.IsWhole);
            return 1;
        }

        VulkanActivation activated = plan.Memory.Activated;
        fusion.Plan.Record(plan, GemvPlan.Push(first.Matrix, x.Address, gain, activated.Address, false), x, activated);
        plan.Stamp(following[1].Name, 3);
        then.Plan.Record(plan, GemvPlan.Push(then.Second.Matrix, activated.Address, 0, then.Second.Address, then.Second.Residual), activated, then.Second.Y, then.Second.IsWhole);
        return 3;
    }

    /// <summary>Records a gate together with the product that reads what it makes.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="gate">The gate.</param>
    /// <param name="following">The operations behind it.</param>
    /// <returns>Whether both are recorded; otherwise neither.</returns>
    public static bool Record(PlanRecorder plan, ActivateOperation gate, ReadOnlySpan<IOperation> following)
    {
        if (!plan.FusesProducts || Clean(plan, Find(plan.Gpu.Facts, gate, following)) is not { } fusion)
        {
            return false;
        }

        (Product product, GemvPlan whole) = (fusion.First, fusion.Plan);
        whole.Record(plan, GemvPlan.Push(product.Matrix, gate.X.Address, 0, product.Address, product.Residual), gate.X, product.Y, product.IsWhole);
        return true;
    }

    /// <summary>Whether a row that is quantized as it is can be left to the product that reads it.</summary>
    public static bool CanPrepare(PlanRecorder plan, VulkanInput input, ReadOnlySpan<IOperation> products) =>
        plan.FusesProducts && Clean(plan, Find(plan.Gpu.Facts, null, input, products)) is not null;

    /// <summary>The kernels that a single row would take, to be built before there is one.</summary>
    public static IEnumerable<GemvShader> Shaders(VulkanDeviceFacts device, IOperation[] operations, bool linked)
    {
        for (int i = 0; i < operations.Length; i++)
        {
            Fusion? found = operations[i] switch
            {
                NormalizeOperation n => Find(device, n.Norm, n.Input, operations.AsSpan(i + 1)),
                PrepareOperation p => Find(device, null, p.Input, operations.AsSpan(i + 1)),
                ActivateOperation a => Find(device, a, operations.AsSpan(i + 1)),
                _ => null,
            };
            if (found is { } fusion)
            {
                yield return fusion.Plan.Shader with { Linked = linked };
                if (fusion.Then is { } then)
                {
                    yield return then.Plan.Shader with { Linked = linked };
                    i += 3;
                }
            }
        }
    }

    // A kernel that a compiler cannot keep in registers is left to those apart, which it can.
    private static Fusion? Clean(PlanRecorder plan, Fusion? fusion) =>
        fusion is { } found && (!plan.Gpu.Facts.PipelineStatistics || found.Shaders.All(s => plan.Gpu.Pipeline(s with { Linked = plan.LinksDispatches }).Statistics.Spills == 0)) ? found : null;

    private static Fusion? Find(VulkanDeviceFacts device, ActivateOperation gate, ReadOnlySpan<IOperation> following) =>
        gate.Gated && Product.Of(gate.Input, following) is { } product
        && GemvPlan.For(device, product.Matrix, gate.Input, null, GemvFinish.Store, gate.Kind, gated: true) is { } plan ? new Fusion(product, plan, null) : null;

    private static Fusion? Find(VulkanDeviceFacts device, VulkanNorm? norm, VulkanInput input, ReadOnlySpan<IOperation> following)
    {
        if (Product.Of(input, following) is not { } first)
        {
            return null;
        }

        if (following.Length > 2 && following[1] is ActivateOperation { IsShared: true } activate && activate.X == first.Y && !first.Residual && first.IsWhole
            && Product.Of(activate.Input, following[2..]) is { } second
            && GemvPlan.For(device, first.Matrix, input, norm, activate.Gated ? GemvFinish.Gate : GemvFinish.Activation, activate.Kind) is { } finishing
            && GemvPlan.For(device, second.Matrix, activate.Input, null, GemvFinish.Store) is { } preparing)
        {
            return new Fusion(first, finishing, (second, preparing));
        }

        return GemvPlan.For(device, first.Matrix, input, norm, GemvFinish.Store) is { } whole ? new Fusion(first, whole, null) : null;
    }

    /// <summary>A product that prepares its row, and the one behind its activation, where there is one.</summary>
    private readonly record struct Fusion(Product First, GemvPlan Plan, (Product Second, GemvPlan Plan)? Then)
    {
        /// <summary>The kernels, the one that follows with them.</summary>
        public IEnumerable<GemvShader> Shaders => Then is { } then ? [Plan.Shader, then.Plan.Shader] : [Plan.Shader];
    }

    /// <summary>The one product of a prepared row.</summary>
    private readonly record struct Product(GpuLinear Matrix, VulkanActivation Y, int Column, bool Residual)
    {
        public ulong Address => Y.Address + ((ulong)Column * sizeof(float));

        /// <summary>Whether it is all of what it writes to.</summary>
        public bool IsWhole => Column == 0 && Matrix.Rows == Y.Columns;

        /// <summary>The first of the operations, where it multiplies a prepared row by one matrix and none of the others reads that row before it is prepared anew.</summary>
        public static Product? Of(VulkanInput input, ReadOnlySpan<IOperation> operations)
        {
            if (operations.Length == 0 || From(operations[0], input) is not { } product)
            {
                return null;
            }

            foreach (IOperation operation in operations[1..])
            {
                switch (operation)
                {
                    case NormalizeOperation n when n.Input == input:
                    case PrepareOperation p when p.Input == input:
                    case ActivateOperation a when a.Input == input:
                        return product;
                    case LinearOperation l when l.Input == input:
                    case LinearResidualOperation r when r.Input == input:
                        return null;
                }
            }

            return product;
        }

        private static Product? From(IOperation operation, VulkanInput input) => operation switch
        {
            LinearOperation l when l.Input == input && l.Linear.Matrices.Count == 1 => new Product(l.Linear.Matrices[0].Matrix, l.Y, l.Column, false),
            LinearResidualOperation r when r.Input == input && r.Linear.Matrices.Count == 1 => new Product(r.Linear.Matrices[0].Matrix, r.X, 0, true),
            _ => null,
        };
    }
}

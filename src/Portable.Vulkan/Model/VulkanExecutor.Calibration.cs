using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Operations;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <content>What calibration asks of a pass beside the seam: sums, counts and copies of rows as they are at a point of it.</content>
internal sealed partial class VulkanExecutor
{
    /// <summary>Adds Σ x·xᵀ of an input's rows, as they are at this point of the pass.</summary>
    public void AddGram(DeviceInput input, VulkanSums sums) => Note(new GramOperation(Rows(input), Rows(input), sums));

    /// <summary>Adds Σ x·yᵀ of rows and an input's rows, as they are at this point of the pass.</summary>
    public void AddCross(DeviceActivation x, DeviceInput y, VulkanSums sums) => Note(new GramOperation((VulkanActivation)x, Rows(y), sums));

    /// <summary>Adds Σ x² of each column of an input's rows, as they are at this point of the pass.</summary>
    public void AddSquares(DeviceInput input, VulkanSums sums) => Note(new SquaresOperation(Rows(input), sums));

    /// <summary>Raises the largest magnitude of each column to those of an input's rows, as they are at this point of the pass.</summary>
    public void RaiseMaxima(DeviceInput input, VulkanMaxima maxima) => Note(new MaximaOperation(Rows(input), maxima));

    /// <summary>The same of an activation's rows.</summary>
    public void RaiseMaxima(DeviceActivation x, VulkanMaxima maxima) => Note(new MaximaOperation((VulkanActivation)x, maxima));

    /// <summary>Counts the magnitudes of each column of an input's rows, as they are at this point of the pass.</summary>
    public void CountMagnitudes(DeviceInput input, VulkanCounts counts) => Note(new MagnitudesOperation(Rows(input), counts));

    /// <summary>Divides rows by factors and rounds them to a static scale.</summary>
    public void RoundInput(DeviceActivation x, VulkanRounding rounding, DeviceActivation exact, DeviceActivation seen) =>
        Note(new RoundInputOperation((VulkanActivation)x, rounding, (VulkanActivation)exact, (VulkanActivation)seen));

    /// <summary>Keeps an input's rows, as they are at this point of the pass, in an activation that can be read.</summary>
    public void Keep(DeviceInput input, DeviceActivation kept) => Note(new SnapshotOperation(Rows(input), (VulkanActivation)kept));

    /// <summary>The same of an activation's rows.</summary>
    public void Keep(DeviceActivation x, DeviceActivation kept) => Note(new SnapshotOperation((VulkanActivation)x, (VulkanActivation)kept));

    /// <summary>Σ (ŷ·f − y)² and Σ y² of every row, f being factors of the columns, or 1.</summary>
    public void AddErrors(DeviceActivation exact, DeviceActivation approximate, VulkanSums errors, GpuBuffer? factors = null) => Note(new ErrorsOperation((VulkanActivation)exact, (VulkanActivation)approximate, errors, factors));

    /// <summary>Counts outputs; approximate ones are multiplied by factors first.</summary>
    public void CountOutputs(DeviceActivation exact, DeviceActivation approximate, VulkanOutputCounts counts) => Note(new OutputCountsOperation((VulkanActivation)exact, (VulkanActivation)approximate, counts));

    /// <summary>y −= x.</summary>
    public void Subtract(DeviceActivation x, DeviceActivation y) => Note(new DifferenceOperation((VulkanActivation)x, (VulkanActivation)y));

    private static VulkanActivation Rows(DeviceInput input) => ((VulkanFloatInput)input).Rows;
}

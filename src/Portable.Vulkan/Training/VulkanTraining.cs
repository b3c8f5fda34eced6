using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Training;

/// <summary>Block reconstruction on a Vulkan device.</summary>
/// <param name="gpu">The device.</param>
/// <param name="products">Its products; disposed of with this.</param>
internal sealed class VulkanTraining(VulkanContext gpu, ITrainingProducts products) : ITrainingDevice
{
    /// <summary>Told each operation and its microseconds, where what is created afterwards is to be timed.</summary>
    public Action<string, double>? Profiled { get; set; }

    /// <inheritdoc/>
    public string Arithmetic => products.Name;

    /// <inheritdoc/>
    public IBlockTeacher CreateTeacher(BlockWeights block, int tokens, bool attention) => new VulkanTeacher(gpu, products, Profiled, block, tokens, attention);

    /// <inheritdoc/>
    public IBlockStudent CreateStudent(BlockWeights block, BlockWidths widths, AbqOptions options, BlockStatistics statistics, int tokens, bool rankOne, Func<int, SamplePart, StoredRows?> rows) =>
        new VulkanStudent(gpu, products, Profiled, block, widths, options, statistics, tokens, rankOne, rows);

    /// <inheritdoc/>
    public void Dispose() => products.Dispose();
}

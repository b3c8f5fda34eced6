using Portable.Calibration;
using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.Tensors;
using Portable.Vulkan.Training;

namespace Portable.Vulkan.Calibration;

/// <summary>Calibration on a Vulkan device, to the CPU's bits.</summary>
/// <param name="gpu">The device.</param>
/// <param name="check">What its self-check found.</param>
internal sealed class VulkanCalibration(VulkanContext gpu, SelfCheckResult check) : ICalibrationDevice
{
    /// <inheritdoc/>
    public Executor CreateExecutor() => new VulkanExecutor(gpu, check, ownsContext: false, VulkanExecutor.PromptRows(gpu.Facts));

    /// <inheritdoc/>
    public IGramSums CreateGram(int size) => new GramSums(gpu, size);

    /// <inheritdoc/>
    public IColumnMaxima CreateMaxima(int size) => new Maxima(new VulkanMaxima(gpu, size));

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceInput input, DeviceActivation kept) => ((VulkanExecutor)executor).Keep(input, kept);

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainingArithmetics => MatrixProducts.TileOf(gpu.Facts) is null ? [OrderedProducts.Arithmetic]
        : gpu.Facts.Kind == VulkanDeviceKind.Cpu ? [OrderedProducts.Arithmetic, MatrixProducts.Arithmetic]
        : [MatrixProducts.Arithmetic, OrderedProducts.Arithmetic];

    /// <inheritdoc/>
    public ITrainingDevice? CreateTraining(string arithmetic) => new VulkanTraining(gpu, arithmetic == MatrixProducts.Arithmetic ? new MatrixProducts(gpu) : new OrderedProducts(gpu));

    private sealed class Maxima(VulkanMaxima maxima) : IColumnMaxima
    {
        public void Add(Executor executor, DeviceInput input, int rows) => ((VulkanExecutor)executor).RaiseMaxima(input, maxima);

        public float[] Read() => maxima.Read();

        public void Dispose() => maxima.Dispose();
    }
}

using Portable.Models;
using Portable.Models.Architectures;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Engine;

namespace Portable.Tests.Vulkan;

/// <summary>What can be said of a survey of kernels without building them; vendors' compilers build them in .ci/vendor.</summary>
public sealed class PipelineSurveyTests
{
    [Fact]
    public void ContextsAreThoseThatAShapeHas() => Assert.All(ModelShapes.Names, name =>
    {
        ModelConfig shape = ModelShapes.Find(name);
        (int most, int few) = PipelineSurvey.Contexts(shape);
        Assert.InRange(most, 2, shape.MaximumPositions);
        Assert.InRange(few, 1, most - 1);
    });

    [Fact]
    public void ConstantsAreToldAsTheirTypesHaveThem()
    {
        SpecializationConstants constants = new();
        constants.Set(0, 0.125f);
        constants.Set(1, true);
        constants.Set(2, 64);
        Assert.Equal(["0.125", "1", "64"], constants.All.Select(c => c.Text));
    }
}

using System.Globalization;
using System.Runtime.CompilerServices;

namespace Portable.Vulkan.Engine;

/// <summary>One specialization constant of a pipeline.</summary>
/// <param name="Id">constant_id in the shader.</param>
/// <param name="Bits">The value's 32 bits; a boolean is 0 or 1.</param>
/// <param name="Type">Type of the property that it came from.</param>
/// <param name="Name">The property, as written where it was set: the shader's name in other letters.</param>
internal readonly record struct SpecializationConstant(uint Id, uint Bits, Type Type, string Name)
{
    /// <summary>The value as its type has it.</summary>
    public string Text => Type == typeof(float) ? BitConverter.UInt32BitsToSingle(Bits).ToString(CultureInfo.InvariantCulture) : Bits.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The specialization constants of a pipeline, as its <see cref="Shader"/> writes them.</summary>
internal sealed class SpecializationConstants
{
    private readonly List<SpecializationConstant> _all = [];

    /// <summary>What has been written.</summary>
    public IReadOnlyList<SpecializationConstant> All => _all;

    /// <summary>The constants of a shader.</summary>
    public static IReadOnlyList<SpecializationConstant> Of(Shader shader)
    {
        SpecializationConstants constants = new();
        shader.Specialize(constants);
        return constants.All;
    }

    /// <summary>Sets a count or a number that the shader gives a meaning.</summary>
    public void Set(uint id, uint value, [CallerArgumentExpression(nameof(value))] string name = "") => _all.Add(new SpecializationConstant(id, value, typeof(uint), name));

    /// <summary>Sets a count, at least 0.</summary>
    public void Set(uint id, int value, [CallerArgumentExpression(nameof(value))] string name = "") => Set(id, checked((uint)value), name);

    /// <summary>Sets a switch.</summary>
    public void Set(uint id, bool value, [CallerArgumentExpression(nameof(value))] string name = "") => _all.Add(new SpecializationConstant(id, value ? 1u : 0u, typeof(bool), name));

    /// <summary>Sets a factor.</summary>
    public void Set(uint id, float value, [CallerArgumentExpression(nameof(value))] string name = "") =>
        _all.Add(new SpecializationConstant(id, BitConverter.SingleToUInt32Bits(value), typeof(float), name));
}

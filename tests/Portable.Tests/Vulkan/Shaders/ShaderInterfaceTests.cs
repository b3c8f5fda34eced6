using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Portable.Vulkan.Engine;

namespace Portable.Tests.Vulkan.Shaders;

/// <summary>The host's record of each shader against the compiled shader: ids, types and names of constants, layout of push constants.</summary>
public sealed partial class ShaderInterfaceTests
{
    private static readonly Dictionary<string, Shader> Records = typeof(Shader).Assembly.GetTypes()
        .Where(t => t.IsSubclassOf(typeof(Shader)) && !t.IsAbstract)
        .Select(t => (Shader)RuntimeHelpers.GetUninitializedObject(t))
        .ToDictionary(s => s.Name);

    public static TheoryData<string> Names => [.. ShaderLibrary.Names];

    [Fact]
    public void EveryShaderHasARecordAndEveryRecordAShader() => Assert.Equal(ShaderLibrary.Names, Records.Keys.Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Names))]
    public void SpecializationConstantsAreThoseOfTheShader(string name)
    {
        IReadOnlyList<SpecializationConstant> written = SpecializationConstants.Of(Records[name]);
        Assert.Equal(written.Count, written.Select(c => c.Id).Distinct().Count());
        foreach ((uint id, string type) in new SpirvModule(ShaderLibrary.Load(name)).Specializations)
        {
            SpecializationConstant constant = Assert.Single(written, c => c.Id == id);
            Assert.True(Fits(constant.Type, type), $"{name}: constant {id} ({constant.Name}) is {type} in the shader, {constant.Type.Name} here");
        }
    }

    // Constants that a shader does not use are gone from the compiled one: the source still has their ids and names.
    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void SpecializationConstantsHaveTheNamesOfTheSource(string name)
    {
        Skip.If(ShaderSources.Folder is null, "the sources are not beside the tests");
        Dictionary<uint, string> declared = [];
        foreach (Match match in Declaration().Matches(ShaderSources.WithIncludes(ShaderSources.PathOf(name))))
        {
            declared.Add(uint.Parse(match.Groups["id"].Value), match.Groups["name"].Value);
        }

        foreach (SpecializationConstant constant in SpecializationConstants.Of(Records[name]))
        {
            // A property may stand for WORKGROUP without the shader naming its local_size_x_id.
            string? source = declared.GetValueOrDefault(constant.Id) ?? (constant.Id == 0 ? "WORKGROUP" : null);
            Assert.True(source is not null && SameName(source, constant.Name), $"{name}: constant {constant.Id} is {source ?? "unknown"} in the shader, {constant.Name} here");
        }

        Assert.Empty(declared.Keys.Except(SpecializationConstants.Of(Records[name]).Select(c => c.Id)));
    }

    // The host may push more than a shader reads, at the end: scratch memory of the matmuls that split K.
    [Theory]
    [MemberData(nameof(Names))]
    public void PushConstantsLieWhereTheShaderReadsThem(string name)
    {
        const int Guaranteed = 128;
        IReadOnlyList<(int Offset, int Bytes)> read = new SpirvModule(ShaderLibrary.Load(name)).PushConstants;
        (int Offset, int Bytes)[] written = [.. Fields(PushType(Records[name].GetType()), 0)];
        Assert.NotEmpty(read);
        Assert.Equal(read, written.Take(read.Count));
        Assert.InRange(Records[name].PushBytes, read[^1].Offset + read[^1].Bytes, Guaranteed);
    }

    [GeneratedRegex(@"layout\(constant_id = (?<id>\d+)\) const \w+ (?<name>\w+)")]
    private static partial Regex Declaration();

    private static bool Fits(Type host, string shader) => shader switch
    {
        "float" => host == typeof(float),
        "bool" => host == typeof(bool),
        _ => host == typeof(uint) || host == typeof(bool),
    };

    // QUANTIZER_MODE and QuantizerMode; (uint)Quantizer.Mode and MODE.
    private static bool SameName(string shader, string host)
    {
        string[] parts = host[(host.LastIndexOf(')') + 1)..].Split('.');
        string wanted = shader.Replace("_", "", StringComparison.Ordinal);
        return wanted.Equals(string.Concat(parts), StringComparison.OrdinalIgnoreCase) || wanted.Equals(parts[^1], StringComparison.OrdinalIgnoreCase);
    }

    private static Type PushType(Type shader)
    {
        while (!shader.IsGenericType || shader.GetGenericTypeDefinition() != typeof(Shader<>))
        {
            shader = shader.BaseType!;
        }

        return shader.GetGenericArguments()[0];
    }

    private static IEnumerable<(int Offset, int Bytes)> Fields(Type type, int at) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(f => (f.FieldType, Offset: at + (int)Marshal.OffsetOf(type, f.Name)))
            .OrderBy(f => f.Offset)
            .SelectMany(f => f.FieldType.IsPrimitive ? [(f.Offset, Marshal.SizeOf(f.FieldType))] : Fields(f.FieldType, f.Offset));
}

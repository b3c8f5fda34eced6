using System.Reflection;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>Null where a public member takes none is told as that: never met on the way as a fault of the library's own.</summary>
public sealed class NullArgumentTests
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    [Fact]
    public void NoMemberStumblesOverNull()
    {
        using LanguageModel model = LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 64 });
        object[] targets = [model, QuantizationMethod.Gptq, QuantizationScheme.Parse("W4A8"), model.Tokenizer];
        List<string> stumbled = [];
        int tried = 0;
        IEnumerable<Type> types = new[] { typeof(LanguageModel), typeof(QuantizationScheme), typeof(Portable.Server.ModelServer), typeof(Portable.Vulkan.VulkanBackend) }.SelectMany(t => t.Assembly.GetExportedTypes());
        foreach (MethodBase member in types.Where(t => !t.IsAbstract || t.IsSealed).Concat(targets.Select(t => t.GetType())).Distinct().SelectMany(t => (t.IsVisible ? t.GetConstructors() : []).Concat<MethodBase>(t.GetMethods(Declared))))
        {
            ParameterInfo[] parameters = member.GetParameters();
            object? target = targets.FirstOrDefault(t => t.GetType() == member.DeclaringType);
            // Reflection hands over no spans.
            if (member.DeclaringType!.IsSubclassOf(typeof(Delegate)) || member.ContainsGenericParameters || parameters.Any(p => p.ParameterType.IsByRefLike || p.ParameterType.IsByRef)
                || (member is MethodInfo { IsStatic: false } && target is null))
            {
                continue;
            }

            foreach (ParameterInfo none in parameters.Where(p => !p.ParameterType.IsValueType && new NullabilityInfoContext().Create(p).WriteState == NullabilityState.NotNull))
            {
                tried++;
                try
                {
                    object?[] given = [.. parameters.Select(p => p == none ? null : Some(p))];
                    _ = member is ConstructorInfo constructor ? constructor.Invoke(given) : member.Invoke(target, given);
                }
                catch (TargetInvocationException e) when (e.InnerException is NullReferenceException)
                {
                    stumbled.Add($"{member.DeclaringType}.{member.Name}({none.Name})");
                }
                catch (TargetInvocationException)
                {
                    // Told.
                }
            }
        }

        Assert.Empty(stumbled);
        Assert.True(tried > 60, $"{tried} were tried");
    }

    private static object? Some(ParameterInfo parameter) => parameter.ParameterType switch
    {
        _ when parameter.HasDefaultValue => parameter.DefaultValue,
        Type type when type == typeof(string) => "x",
        Type type when type == typeof(int) => 1,
        Type type when type == typeof(Device) => Device.Cpu,
        { IsArray: true } type => Array.CreateInstance(type.GetElementType()!, 1),
        { IsValueType: true } type => Activator.CreateInstance(type),
        _ => null,
    };
}

using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Portable.Extensions.AI;

/// <summary>Models of Portable as clients of Microsoft.Extensions.AI.</summary>
public static class PortableExtensions
{
    /// <summary>
    /// A chat client over a model. Any number of conversations may be under way at once; those for which the model has no room
    /// (<see cref="LanguageModelOptions.Sequences"/>) wait their turn, and each answer is the one that it would be alone. The client does
    /// not own the model.
    /// </summary>
    /// <param name="model">An open model that has a chat template.</param>
    public static IChatClient AsIChatClient(this LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LanguageModelChatClient(model, model.RecommendedOptions);
    }

    /// <summary>Adds a model, opened when it is first asked for and closed with the container, and an <see cref="IChatClient"/> over it.</summary>
    /// <param name="services">The container.</param>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">Where it runs; null = <see cref="Device.Cpu"/>.</param>
    /// <param name="options">How it is opened; null = one text at a time, the model's whole context.</param>
    public static IServiceCollection AddPortable(this IServiceCollection services, string directory, Device? device = null, LanguageModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(directory);
        services.AddSingleton(_ => LanguageModel.Open(directory, device ?? Device.Cpu, options ?? new LanguageModelOptions()));
        services.AddSingleton(provider => provider.GetRequiredService<LanguageModel>().AsIChatClient());
        return services;
    }
}

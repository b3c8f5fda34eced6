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
    /// <remarks>
    /// Where a call says nothing, the answer is drawn as the model's makers recommend (<see cref="LanguageModel.RecommendedOptions"/>), from
    /// the same seed each time: the same question has the same answer, unless <c>ChatOptions.Seed</c> differs. Without
    /// <c>MaxOutputTokens</c> it may fill the context. <c>AdditionalProperties</c> take <c>min_p</c>, <c>repetition_penalty</c>,
    /// <c>logit_bias</c> (numbers by token id) and <c>ignore_eos</c>; every other property, and those of an object
    /// <c>chat_template_kwargs</c>, are variables of the chat template, such as <c>enable_thinking</c>, which
    /// <c>Reasoning.Effort</c> sets too (None: false). <c>RawRepresentationFactory</c> may give <see cref="GenerationOptions"/> or
    /// <see cref="ChatTemplateOptions"/> for the rest. What would change an answer and cannot be done is a <see cref="NotSupportedException"/>
    /// that names it: <c>ConversationId</c>, <c>ContinuationToken</c>, another <c>ModelId</c>, tools that are no functions, images.
    /// </remarks>
    /// <param name="model">An open model that has a chat template.</param>
    public static IChatClient AsIChatClient(this LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new LanguageModelChatClient(model, model.RecommendedOptions);
    }

    /// <summary>Adds a model, opened when it is first asked for and closed with the container, and an <see cref="IChatClient"/> over it.</summary>
    /// <remarks>
    /// A client with more around it (functions that run by themselves, telemetry, a cache) is built by <c>AddChatClient</c> of
    /// Microsoft.Extensions.AI over the model that is added here, and what is added last is the one that services get:
    /// <c>services.AddChatClient(p => p.GetRequiredService&lt;LanguageModel&gt;().AsIChatClient()).UseFunctionInvocation()</c>.
    /// </remarks>
    /// <param name="services">The container.</param>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">Where it runs; null = <see cref="Device.Cpu"/>.</param>
    /// <param name="options">How it is opened; null = one text at a time, the model's whole context.</param>
    /// <returns>The container.</returns>
    public static IServiceCollection AddPortable(this IServiceCollection services, string directory, Device? device = null, LanguageModelOptions? options = null) =>
        services.AddKeyedPortable(null, directory, device, options);

    /// <summary>Adds a model by a key, where a container has several: <see cref="AddPortable"/>, of which services ask for the <see cref="LanguageModel"/> and the <see cref="IChatClient"/> of that key.</summary>
    /// <param name="services">The container.</param>
    /// <param name="serviceKey">The key; null = none, as <see cref="AddPortable"/> has it.</param>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">Where it runs; null = <see cref="Device.Cpu"/>.</param>
    /// <param name="options">How it is opened; null = one text at a time, the model's whole context.</param>
    /// <returns>The container.</returns>
    public static IServiceCollection AddKeyedPortable(this IServiceCollection services, object? serviceKey, string directory, Device? device = null, LanguageModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(directory);
        services.AddKeyedSingleton(serviceKey, (_, _) => LanguageModel.Open(directory, device ?? Device.Cpu, options ?? new LanguageModelOptions()));
        services.AddKeyedSingleton(serviceKey, (provider, key) => (key is null ? provider.GetRequiredService<LanguageModel>() : provider.GetRequiredKeyedService<LanguageModel>(key)).AsIChatClient());
        return services;
    }
}

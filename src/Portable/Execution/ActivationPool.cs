namespace Portable.Execution;

/// <summary>Activations of an executor that several layers share, by their columns and use.</summary>
/// <param name="executor">Whose they are.</param>
internal sealed class ActivationPool(Executor executor)
{
    private readonly Dictionary<(int Columns, int Use), DeviceActivation> _activations = [];

    /// <summary>Whose they are.</summary>
    public Executor Executor => executor;

    /// <summary>The activation of a use.</summary>
    /// <param name="columns">Its columns.</param>
    /// <param name="use">Any number.</param>
    public DeviceActivation Activation(int columns, int use)
    {
        if (!_activations.TryGetValue((columns, use), out DeviceActivation? activation))
        {
            activation = executor.CreateActivation(columns);
            _activations.Add((columns, use), activation);
        }

        return activation;
    }
}

namespace Portable.Checkpoints.Format;

/// <summary>What a quantization did to one linear layer.</summary>
/// <param name="Name">Module name (model.layers.0.self_attn.q_proj).</param>
/// <param name="Scheme">The layer's own scheme (W6A8g128).</param>
/// <param name="Error">‖Ŵ−W‖/‖W‖, Frobenius, of the weights that the layer stands for.</param>
/// <param name="OutputError">‖Y−Ŷ‖/‖Y‖ over calibration inputs of the float model, activations quantized as they will be; null without calibration.</param>
/// <param name="Details">More numbers of the method (kl, expansion, clipped).</param>
public sealed record LayerReport(string Name, string Scheme, double Error, double? OutputError, IReadOnlyDictionary<string, double> Details);

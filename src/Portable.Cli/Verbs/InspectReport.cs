using Portable.Checkpoints.Format;

namespace Portable.Cli.Verbs;

/// <summary>A linear layer of a checkpoint.</summary>
/// <param name="Name">Module name.</param>
/// <param name="Scheme">The layer's own scheme, or the element type of float weights in the file.</param>
/// <param name="Rows">N: output features.</param>
/// <param name="Columns">K: columns of the weights (FlattenQuant's expanded ones included).</param>
/// <param name="Bytes">Weights, scales, zero points and sums in memory.</param>
/// <param name="BitsPerWeight">Bits on disk of codes, scales and zero points per weight of the float model.</param>
/// <param name="Error">‖Ŵ−W‖/‖W‖, as the manifest has it; null for float weights.</param>
/// <param name="OutputError">‖Y−Ŷ‖/‖Y‖ on the calibration inputs, or null.</param>
internal sealed record InspectLayer(string Name, string Scheme, int Rows, int Columns, long Bytes, double BitsPerWeight, double? Error, double? OutputError);

/// <summary>The layers of one type over all blocks.</summary>
/// <param name="Type">The last word of their names (q_proj).</param>
/// <param name="Layers">How many.</param>
/// <param name="BitsPerWeight">Mean over their weights.</param>
/// <param name="Error">Mean weight error, or null.</param>
/// <param name="WorstError">Largest weight error, or null.</param>
/// <param name="OutputError">Mean output error, or null.</param>
internal sealed record InspectType(string Type, int Layers, double BitsPerWeight, double? Error, double? WorstError, double? OutputError);

/// <summary>Memory that a model takes on the CPU, bytes.</summary>
/// <param name="Scheme">The scheme that it is for; null: as the checkpoint is.</param>
/// <param name="Context">Positions of a sequence.</param>
/// <param name="Batch">Sequences at a time.</param>
/// <param name="Weights">Linears, embedding, positions and head, with scales, zero points and sums; rotary tables.</param>
/// <param name="Cache">Keys and values.</param>
/// <param name="Scratch">Activations of the largest batch, and logits.</param>
/// <param name="Total">All of it.</param>
internal sealed record InspectMemory(string? Scheme, int Context, int Batch, long Weights, long Cache, long Scratch, long Total);

/// <summary>The answer of <c>portable inspect</c>.</summary>
/// <param name="ModelType">As config.json has it.</param>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="Blocks">Number of blocks.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="Vocabulary">Rows of the embedding.</param>
/// <param name="Positions">The longest context.</param>
/// <param name="KeyValueBits">Bits of the KV cache; 32 = float.</param>
/// <param name="Method">How it was quantized, or float.</param>
/// <param name="Scheme">The scheme that was asked for, or null.</param>
/// <param name="BitsPerWeight">Of all linears, on disk.</param>
/// <param name="Types">The linears by type.</param>
/// <param name="Layers">The blocks' linears.</param>
/// <param name="LinearBytes">Sum over the layers, in memory.</param>
/// <param name="FileBytes">All files of the directory.</param>
/// <param name="Tables">Embedding and head; a tied one is one.</param>
/// <param name="Memory">What it takes on the CPU, where that was asked for.</param>
/// <param name="MadeBy">How a quantized one was made, or null.</param>
internal sealed record InspectReport(
    string ModelType, int Hidden, int Blocks, int Heads, int KeyValueHeads, int Vocabulary, int Positions, int KeyValueBits,
    string Method, string? Scheme, double BitsPerWeight, IReadOnlyList<InspectType> Types, IReadOnlyList<InspectLayer> Layers, long LinearBytes, long FileBytes,
    IReadOnlyList<InspectLayer> Tables, InspectMemory? Memory, InspectOrigin? MadeBy);

/// <summary>The answer of <c>portable inspect --verify</c>.</summary>
/// <param name="Intact">Whether all files are as the manifest says, and no others are there.</param>
/// <param name="Files">Files that the manifest names.</param>
/// <param name="Bytes">Their bytes, as it names them.</param>
/// <param name="Manifest">SHA-256 of the manifest itself, which nothing in the directory vouches for.</param>
/// <param name="Differences">What is not as the manifest says.</param>
internal sealed record InspectVerification(bool Intact, int Files, long Bytes, string Manifest, IReadOnlyList<FileDifference> Differences);

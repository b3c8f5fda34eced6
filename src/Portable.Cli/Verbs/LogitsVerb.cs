using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Reference.Arithmetic;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable logits</c>.</summary>
/// <param name="Hash">SHA-256 of the f32 bits of all logits, little endian, position-major.</param>
/// <param name="Argmax">The most likely next token after each position.</param>
/// <param name="Nll">−ln p of each next id, nats; one fewer than ids.</param>
/// <param name="Last">Logits of the last position, the whole vocabulary; as doubles, so that every JSON reader gets the f32 back exactly.</param>
/// <param name="Contract">Version of the float contract that a quantized model's bits belong to.</param>
/// <param name="Device">The device that served.</param>
internal sealed record LogitsReport(string Hash, int[] Argmax, double[] Nll, double[] Last, int Contract, string Device);

/// <summary>Prints the logits of given tokens and a hash of their bits.</summary>
internal sealed class LogitsVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly Option<string> _ids = new("--ids") { Description = "Token ids, fed as given (no BOS is added).", HelpName = "1,2,3", Required = true };
    private readonly Option<int> _chunk = new("--chunk") { Description = "Positions fed at a time; 1 = token by token, 0 = all. A quantized model gives the same bits for each.", HelpName = "N" };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public LogitsVerb()
        : base(
            "logits",
            "Runs a model over token ids and prints a hash of all logits' bits: equal hashes are equal models.",
            new Example("portable logits llama-w4 --ids 1,15043,3186", "hash, the most likely next token of each position, the last position's best tokens"),
            new Example("portable logits llama-w4 --ids 1,15043,3186 --chunk 1 --device vulkan --json", "the same bits, token by token on a GPU"))
    {
        Arguments.Add(_model);
        Options.Add(_ids);
        Options.Add(_chunk);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        int[] tokens = OptionValues.Ids(_ids.Name, parsed.GetValue(_ids)!);
        int size = OptionValues.AtLeast(parsed, _chunk, 0);
        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        using LanguageModel loaded = Loading.Open(parsed.GetValue(_model)!, where, terminal, cancellation, context: tokens.Length);
        LogitsReport report = terminal.Track("logits", bar => Compute(loaded.Model, tokens, size, bar, cancellation));
        terminal.Result(report, JsonReports.Default.LogitsReport, r =>
        {
            terminal.Line($"hash {r.Hash}   on {r.Device}");
            terminal.Line($"argmax {string.Join(',', r.Argmax)}");
            terminal.Line("last   " + string.Join("  ", r.Last.Select((v, i) => (v, i)).OrderByDescending(p => p.v).Take(8).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.i}:{p.v:F4}"))));
        });
        return ExitCode.Done;
    }

    internal static LogitsReport Compute(Transformer model, int[] tokens, int chunk, IProgress<double> progress, CancellationToken cancellation)
    {
        int vocabulary = model.Config.VocabularySize, step = chunk == 0 ? model.MaximumLogitRows : Math.Min(chunk, model.MaximumLogitRows);
        int[] argmax = new int[tokens.Length];
        double[] last = new double[vocabulary], nll = new double[tokens.Length - 1];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int start = 0; start < tokens.Length; start += step)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(step, tokens.Length - start), first = start;
            model.BlockDone = block => progress.Report((first + ((double)rows * block / model.Config.Layers)) / tokens.Length);
            ReadOnlySpan<float> logits = model.Forward(Batch.Consecutive(tokens.AsSpan(start, rows), start, allLogits: true));
            AppendLittleEndian(hash, logits);
            for (int row = 0; row < rows; row++)
            {
                ReadOnlySpan<float> own = logits.Slice(row * vocabulary, vocabulary);
                argmax[start + row] = Sampler.Greedy(own);
                if (start + row + 1 < tokens.Length)
                {
                    nll[start + row] = CrossEntropy.Loss(own, tokens[start + row + 1]);
                }
            }

            for (int i = 0; i < vocabulary; i++)
            {
                last[i] = logits[((rows - 1) * vocabulary) + i];
            }

            progress.Report((double)(start + rows) / tokens.Length);
        }

        return new LogitsReport(Convert.ToHexStringLower(hash.GetHashAndReset()), argmax, nll, last, Contract.Version, model.DeviceName);
    }

    private static void AppendLittleEndian(IncrementalHash hash, ReadOnlySpan<float> logits)
    {
        if (!BitConverter.IsLittleEndian)
        {
            int[] swapped = MemoryMarshal.Cast<float, int>(logits).ToArray();
            System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(swapped, swapped);
            logits = MemoryMarshal.Cast<int, float>(swapped);
        }

        hash.AppendData(MemoryMarshal.AsBytes(logits));
    }
}

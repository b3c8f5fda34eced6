using System.Numerics.Tensors;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <content>
/// This stream, on which a block's linears are replaced one after the other, beside the float model's. Each input is looked at once, in the order of the
/// forward pass, and what leads to it is computed once: the float stream moves on as far as its block is known, and of this one what the last input made
/// is kept between the looks.
/// </content>
internal sealed partial class BlockStream
{
    private StreamSlot[]? _between;

    /// <summary>Looks at an input on both streams and sums it; all four inputs of a block are to be looked at, in order. The other stream is behind the block afterwards.</summary>
    /// <param name="input">The input.</param>
    /// <param name="block">Float weights on this stream: the linears before the input as they are now.</param>
    /// <param name="other">The float model's stream.</param>
    /// <param name="exact">Float weights on it.</param>
    /// <param name="sums">What is summed.</param>
    public void ObserveBeside(BlockInput input, BlockWeights block, BlockStream other, BlockWeights exact, PairSums sums)
    {
        using BlockStage? own = _device is not null ? new BlockStage(_device.CreateExecutor(), _config.HiddenSize, 1, _context) : null;
        BlockStage stage = own ?? _cpu;
        Executor executor = stage.Executor;
        TransformerBlock mine = new(stage.Workspace, block, 32, lazily: true), theirs = new(stage.Workspace, exact, 32, lazily: true);
        DeviceActivation kept = executor.CreateActivation(block.Layout.Columns(input));
        DeviceActivation? lacking = sums.Missing is null ? null : executor.CreateActivation(_config.HiddenSize);
        DeviceActivation? attended = input is BlockInput.Output or BlockInput.Mlp ? executor.CreateActivation(block.Layout.Columns(BlockInput.Output)) : null;
        bool behind = input is BlockInput.Mlp or BlockInput.Down;
        int width = Math.Max(_config.HiddenSize, block.Layout.Columns(BlockInput.Output));
        _between ??= [.. _windows.Select(w => _storage.Allocate(w.Length * width))];
        using IColumnMaxima seen = Device.CreateMaxima(block.Layout.Columns(input)), results = Device.CreateMaxima(_config.HiddenSize);
        for (int window = 0; window < _windows.Count; window++)
        {
            foreach ((Batch batch, int start) in Batches(window, executor.MaximumRows))
            {
                RunTheirs(window, start, batch);
                RunMine(window, start, batch);
            }
        }

        InputWatch.RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(seen.Read())), block, input);
        RequireFinite(results, exact[BlockSlot.Down].Name);

        void RunTheirs(int window, int start, Batch batch)
        {
            // Behind the attention's output they go on to the MLP, and behind its input to the end.
            BlockInput? last = input switch { BlockInput.Attention => BlockInput.Attention, BlockInput.Down => null, _ => BlockInput.Mlp };
            executor.Begin(batch);
            Load(executor, stage.X, other._slots[window], start, batch.Rows);
            theirs.Forward(executor, stage.X, Observe, last, behindAttention: behind);
            results.Add(executor, stage.X, batch.Rows);
            if (input is BlockInput.Output or BlockInput.Down)
            {
                Leave(executor, stage.X, other._slots[window], start, batch.Rows);
            }

            End(executor);

            void Observe(BlockInput at, DeviceInput values)
            {
                if (at == input)
                {
                    Device.Keep(executor, values, kept);
                    if (lacking is not null)
                    {
                        Device.Keep(executor, stage.X, lacking);
                    }
                }
            }
        }

        void RunMine(int window, int start, Batch batch)
        {
            executor.Begin(batch);
            Load(executor, stage.X, input == BlockInput.Down ? _between![window] : _slots[window], start, batch.Rows);
            if (input == BlockInput.Mlp)
            {
                Load(executor, attended!, _between![window], start, batch.Rows);
            }

            mine.Forward(executor, stage.X, Observe, input, input == BlockInput.Mlp ? attended : null, input == BlockInput.Down);
            if (input is BlockInput.Output or BlockInput.Mlp)
            {
                Leave(executor, input == BlockInput.Output ? attended! : stage.X, _between![window], start, batch.Rows);
            }

            End(executor);

            void Observe(BlockInput at, DeviceInput values)
            {
                if (at != input)
                {
                    return;
                }

                seen.Add(executor, values, batch.Rows);
                sums.Hessian.Add(executor, values, batch.Rows);
                sums.Cross.Add(executor, kept, values, batch.Rows);
                if (lacking is not null)
                {
                    Device.Subtract(executor, stage.X, lacking);
                    sums.Missing!.Add(executor, lacking, values, batch.Rows);
                }

                if (at == BlockInput.Output)
                {
                    Device.Keep(executor, values, attended!);
                }
            }
        }
    }
}

/// <summary>What is summed of an input on two streams.</summary>
/// <param name="Hessian">Σ x̂·x̂ᵀ of the replaced block's.</param>
/// <param name="Cross">Σ x·x̂ᵀ with the float model's.</param>
/// <param name="Missing">Σ (r − r̂)·x̂ᵀ with what the residual stream lacks there, or null.</param>
internal sealed record PairSums(IGramSums Hessian, ICrossSums Cross, ICrossSums? Missing);

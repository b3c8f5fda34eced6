using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Quantization.AbqLlm;

/// <summary>Block reconstruction on the managed CPU.</summary>
internal sealed class CpuTraining : ITrainingDevice
{
    private TrainingBlock? _block;
    private BlockLayout? _layout;
    private BlockWeights? _read;
    private BlockTensors? _tensors;
    private int _tokens;

    /// <inheritdoc/>
    public string Arithmetic => "f32";

    /// <inheritdoc/>
    public IBlockTeacher CreateTeacher(BlockWeights block, int tokens, bool attention)
    {
        if (_block is null || block.Layout != _layout || tokens != _tokens)
        {
            (_layout, _tokens) = (block.Layout, tokens);
            _block = new TrainingBlock(_layout, tokens, 16, 16, FloatBlocks.Rotary(_layout, tokens));
        }

        return new Teacher(Tensors(block), _block, tokens, attention);
    }

    /// <inheritdoc/>
    public IBlockStudent CreateStudent(BlockWeights block, BlockWidths widths, AbqOptions options, BlockStatistics statistics, int tokens, bool rankOne, Func<int, SamplePart, StoredRows?> rows) =>
        new CpuStudent(Tensors(block), widths, options, statistics, FloatBlocks.Rotary(block.Layout, tokens), tokens, rankOne);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    // Teacher and student of a block read the same floats.
    private BlockTensors Tensors(BlockWeights block)
    {
        if (_read != block)
        {
            (_read, _tensors) = (block, FloatBlocks.Read(block));
        }

        return _tensors!;
    }

    private sealed class Teacher(BlockTensors tensors, TrainingBlock block, int tokens, bool attention) : IBlockTeacher
    {
        private readonly BlockStatistics _statistics = new(tensors.Layout);
        private readonly float[] _x = new float[tokens * tensors.Layout.Hidden], _y = new float[tokens * tensors.Layout.Hidden];
        private readonly float[] _map = new float[attention ? tokens * tokens : 0], _triangle = new float[attention ? tokens * (tokens + 1) / 2 : 0];

        public void Run(int count, WindowReader read, WindowWriter write, WindowWriter? observe, WindowRows rows, CancellationToken cancellation)
        {
            for (int i = 0; i < count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                read(i, _x);
                block.Forward(tensors, _x, _y, tokens);
                write(i, _y);
                if (observe is not null)
                {
                    _statistics.Add(block, tokens);
                    Observe(i, observe);
                }
            }
        }

        public BlockStatistics ReadStatistics() => _statistics;

        public void Dispose()
        {
        }

        private void Observe(int window, WindowWriter observe)
        {
            if (attention)
            {
                block.MeanAttention(_map);
                for (int t = 0; t < tokens; t++)
                {
                    _map.AsSpan(t * tokens, t + 1).CopyTo(_triangle.AsSpan(t * (t + 1) / 2));
                }
            }

            observe(window, _triangle);
        }
    }
}

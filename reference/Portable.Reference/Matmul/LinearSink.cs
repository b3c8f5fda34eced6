using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.BitPlanes.Kernels;
using Portable.Reference.Quantization;

namespace Portable.Reference.Matmul;

/// <summary>
/// The contract's epilogue, vectorised over output channels: per group, ascending,
/// I = acc − zw·Σx − zx·Σw + K·zx·zw in int32, y ← y + (float)I · (sx·sw) from y = 0; then + bias; then canonical. A group is a
/// group of the layout; weights and activations may share a scale over several of them.
/// </summary>
/// <remarks>
/// A kernel's operand offsets (x' = x − xo, w' = w − wo) join the zero points:
/// I = acc' + (wo − zw)·Σx + (xo − zx)·Σw + (K·zw)·zx − P·xo·wo. Lanes are independent outputs and products and sums are
/// rounded separately, so every vector width gives the same bits.
/// </remarks>
internal sealed unsafe class LinearSink(QuantizedActivations x, QuantizedLinear linear, MatmulKernel kernel, float* y, int yStride) : MatmulSink
{
    private const int Lanes = 8, WideLanes = 16;

    private readonly Offsets _offsets = new(x, linear, kernel);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Take(in KernelTask task, int group)
    {
        // Per channel of the block: scale, wo − zw, K·zw, Σw; columns of [n × groups + group] made contiguous.
        int capacity = (task.Channels + Lanes - 1) / Lanes * Lanes;
        float* scales = stackalloc float[capacity];
        int* shifts = stackalloc int[capacity], zeros = stackalloc int[capacity], sums = stackalloc int[capacity];
        GroupLayout layout = linear.Weights.Layout;
        Gather(task, group, scales, shifts, zeros, sums);
        bool first = group == 0, last = group == layout.Groups - 1;
        int digits = task.Activations.Digits, padded = IntegerSink.PaddedColumns(layout, group);
        int wide = Vector512.IsHardwareAccelerated ? task.Channels / WideLanes * WideLanes : 0;
        bool together = wide > 0 && !_offsets.HasZeros;
        if (together)
        {
            Fold(wide, padded, sums, zeros);
            if (digits == 1)
            {
                ApplyRows<One>(task, group, wide, scales, shifts, sums, zeros, first, last);
            }
            else
            {
                ApplyRows<Two>(task, group, wide, scales, shifts, sums, zeros, first, last);
            }

            if (wide == task.Channels)
            {
                return;
            }
        }

        for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row += digits)
        {
            int token = row / digits, sumIndex = token * layout.Groups + group, scaleIndex = token * x.ScaleGroups.Count + x.ScaleGroups.Of(group);
            int zx = x.ZeroPoints[scaleIndex];
            Row terms = new()
            {
                Low = task.SumsOf(group, row),
                High = digits == 2 ? task.SumsOf(group, row + 1) : null,
                Scale = x.Scales[scaleIndex],
                Zero = zx,
                LowSum = x.RowSums[sumIndex],
                LowShift = _offsets.Low - zx,
                LowConstant = -padded * _offsets.Low * _offsets.Weights,
                HighSum = digits == 2 ? x.HighRowSums![sumIndex] : 0,
                HighShift = _offsets.High,
                HighConstant = -padded * _offsets.High * _offsets.Weights,
                Output = y + (long)token * yStride + task.FirstChannel,
            };
            if (wide > 0 && !together)
            {
                ApplyWide(terms, task.FirstChannel, wide, scales, shifts, zeros, sums, first, last);
            }

            if (wide < task.Channels)
            {
                Apply(terms, task.FirstChannel, wide, task.Channels, scales, shifts, zeros, sums, first, last);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Gather(in KernelTask task, int group, float* scales, int* shifts, int* zeros, int* sums)
    {
        GroupLayout layout = linear.Weights.Layout;
        int groups = layout.Groups, columns = layout.ColumnsIn(group), scaleGroups = linear.ScaleGroups.Count, scaleGroup = linear.ScaleGroups.Of(group);
        int done = groups == 1 ? GatherWhole(task.FirstChannel, task.Channels, columns, scales, shifts, zeros, sums) : 0, first = task.FirstChannel + done;
        int bits = linear.Weights.Format.Bits, rowBytes = ZeroPoints.BytesOf(scaleGroups, bits), bit = scaleGroup * bits, mask = (1 << bits) - 1;
        fixed (int* rowSums = _offsets.RowSums)
        fixed (ushort* halves = linear.Scales.Halves)
        fixed (float* singles = linear.Scales.Singles)
        fixed (byte* fields = linear.ZeroPoints is { } zeroPoints ? zeroPoints.Padded : default)
        {
            int* sum = rowSums + ((long)first * groups + group);
            for (int i = done; rowSums != null && i < task.Channels; i++, sum += groups)
            {
                sums[i] = *sum;
            }

            long scale = (long)first * scaleGroups + scaleGroup;
            if (halves != null)
            {
                ushort* gathered = stackalloc ushort[(task.Channels + Lanes - 1) / Lanes * Lanes];
                for (int i = done; i < task.Channels; i++, scale += scaleGroups)
                {
                    gathered[i] = halves[scale];
                }

                for (int i = done; i < task.Channels; i += Lanes)
                {
                    WeightScales.FromHalf(Vector128.Load(gathered + i)).Store(scales + i);
                }
            }

            for (int i = done; singles != null && i < task.Channels; i++, scale += scaleGroups)
            {
                scales[i] = singles[scale];
            }

            if (fields == null)
            {
                new Span<int>(shifts + done, task.Channels - done).Fill(_offsets.Weights);
                new Span<int>(zeros + done, task.Channels - done).Clear();
                return;
            }

            byte* field = fields + ((long)first * rowBytes + (bit >> 3));
            bit &= 7;
            for (int i = done; i < task.Channels; i++, field += rowBytes)
            {
                zeros[i] = (BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(field, sizeof(ushort))) >> bit) & mask;
            }

            Vector256<int> offset = Vector256.Create(_offsets.Weights), length = Vector256.Create(columns);
            for (int i = done; i < task.Channels; i += Lanes)
            {
                Vector256<int> zero = Vector256.Load(zeros + i);
                (offset - zero).Store(shifts + i);
                (length * zero).Store(zeros + i);
            }
        }
    }

    // One group: the channels' values are neighbours already. Returns for how many channels it served.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int GatherWhole(int first, int channels, int columns, float* scales, int* shifts, int* zeros, int* sums)
    {
        int whole = channels / Lanes * Lanes;
        WeightScales weightScales = linear.Scales;
        fixed (int* sum = _offsets.RowSums)
        fixed (byte* zeroPoints = linear.ZeroPoints is { } packed ? packed.Padded : default)
        {
            Vector256<int> offset = Vector256.Create(_offsets.Weights), length = Vector256.Create(columns);
            for (int i = 0; i < whole; i += Lanes)
            {
                Vector256<int> zero = default;
                if (zeroPoints != null)
                {
                    zero = Vector256.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)(zeroPoints + first + i)).AsByte()).ToVector256Unsafe()).AsInt32();
                }

                weightScales.Eight(first + i).Store(scales + i);
                if (sum != null)
                {
                    Vector256.Load(sum + first + i).Store(sums + i);
                }

                (offset - zero).Store(shifts + i);
                (length * zero).Store(zeros + i);
            }
        }

        return whole;
    }

    // Without zero points of activations, what their offsets add to a channel's sums is the same for every row.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Fold(int channels, int padded, int* lows, int* highs)
    {
        if (_offsets.RowSums is null)
        {
            return;
        }

        Vector512<int> lowOffset = Vector512.Create(_offsets.Low), highOffset = Vector512.Create(_offsets.High);
        Vector512<int> lowConstant = Vector512.Create(-padded * _offsets.Low * _offsets.Weights), highConstant = Vector512.Create(-padded * _offsets.High * _offsets.Weights);
        for (int i = 0; i < channels; i += WideLanes)
        {
            Vector512<int> sum = Vector512.Load(lows + i);
            (sum * lowOffset + lowConstant).Store(lows + i);
            (sum * highOffset + highConstant).Store(highs + i);
        }
    }

    /// <summary>All rows of a piece whose activations have no zero points: sixteen channels at a time, a row's constants in registers.</summary>
    /// <param name="task">The piece.</param>
    /// <param name="group">The group.</param>
    /// <param name="channels">A multiple of sixteen.</param>
    /// <param name="scales">Of channels.</param>
    /// <param name="shifts">wo − zw of channels.</param>
    /// <param name="lows">What <see cref="Fold"/> made.</param>
    /// <param name="highs">Likewise.</param>
    /// <param name="first">Whether there is nothing to add to.</param>
    /// <param name="last">Whether bias and canonical follow.</param>
    /// <typeparam name="TDigits">Digits of an activation.</typeparam>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ApplyRows<TDigits>(in KernelTask task, int group, int channels, float* scales, int* shifts, int* lows, int* highs, bool first, bool last)
        where TDigits : struct, ICount
    {
        int groups = linear.Weights.Layout.Groups, scaleGroups = x.ScaleGroups.Count, scaleGroup = x.ScaleGroups.Of(group), stride = task.Stride;
        int token = task.FirstRow / TDigits.Value, end = (task.FirstRow + task.Rows) / TDigits.Value;
        int* sums = task.SumsOf(group, task.FirstRow);
        float* output = y + (long)token * yStride + task.FirstChannel;
        bool moved = _offsets.RowSums is not null;
        Vector512<float> tiny = Vector512.Create(Contract.Tiny);
        fixed (int* lowSums = x.RowSums, highSums = x.HighRowSums)
        fixed (float* rowScales = x.Scales, biases = linear.Bias)
        {
            float* bias = last && biases != null ? biases + task.FirstChannel : null;
            for (; token < end; token++, sums += TDigits.Value * stride, output += yStride)
            {
                Vector512<float> scale = Vector512.Create(rowScales[token * scaleGroups + scaleGroup]);
                Vector512<int> lowSum = Vector512.Create(lowSums[token * groups + group]), highSum = TDigits.Value == 2 ? Vector512.Create(highSums[token * groups + group]) : default;
                for (int i = 0; i < channels; i += WideLanes)
                {
                    Vector512<int> shift = Vector512.Load(shifts + i);
                    Vector512<int> low = Vector512.Load(sums + i) + shift * lowSum;
                    if (moved)
                    {
                        low += Vector512.Load(lows + i);
                    }

                    Vector512<float> value = Vector512.ConvertToSingle(low);
                    if (TDigits.Value == 2)
                    {
                        Vector512<int> high = Vector512.Load(sums + stride + i) + shift * highSum;
                        if (moved)
                        {
                            high += Vector512.Load(highs + i);
                        }

                        value = Vector512.ConvertToSingle(high) * 256f + value;
                    }

                    // (Zero and a first term are that term but for −0, which canonical removes.)
                    Vector512<float> result = value * (scale * Vector512.Load(scales + i));
                    if (!first)
                    {
                        result = Vector512.Load(output + i) + result;
                    }

                    if (bias != null)
                    {
                        result += Vector512.Load(bias + i);
                    }

                    if (last)
                    {
                        result = Vector512.ConditionalSelect(Vector512.LessThan(Vector512.Abs(result), tiny), Vector512<float>.Zero, result);
                    }

                    result.Store(output + i);
                }
            }
        }
    }

    // Sixteen channels at a time, and nothing to look after at the end: of a prompt, whose weight rows are short, this is half of the work.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ApplyWide(in Row row, int firstChannel, int channels, float* scales, int* shifts, int* zeros, int* sums, bool first, bool last)
    {
        Vector512<float> scale = Vector512.Create(row.Scale), tiny = Vector512.Create(Contract.Tiny);
        Vector512<int> zero = Vector512.Create(row.Zero), lowSum = Vector512.Create(row.LowSum), lowShift = Vector512.Create(row.LowShift), lowConstant = Vector512.Create(row.LowConstant);
        Vector512<int> highSum = Vector512.Create(row.HighSum), highShift = Vector512.Create(row.HighShift), highConstant = Vector512.Create(row.HighConstant);
        bool lowMoved = (row.LowShift | row.Zero | row.LowConstant) != 0, highMoved = (row.HighShift | row.HighConstant) != 0;
        int* lows = row.Low, highs = row.High;
        float* output = row.Output;
        fixed (float* biases = linear.Bias)
        {
            float* bias = last && biases != null ? biases + firstChannel : null;
            for (int i = 0; i < channels; i += WideLanes)
            {
                Vector512<int> shift = Vector512.Load(shifts + i);
                Vector512<int> low = Vector512.Load(lows + i) + shift * lowSum;
                if (lowMoved)
                {
                    low += Vector512.Load(sums + i) * lowShift + Vector512.Load(zeros + i) * zero + lowConstant;
                }

                Vector512<float> value = Vector512.ConvertToSingle(low);
                if (highs != null)
                {
                    Vector512<int> high = Vector512.Load(highs + i) + shift * highSum;
                    if (highMoved)
                    {
                        high += Vector512.Load(sums + i) * highShift + highConstant;
                    }

                    value = Vector512.ConvertToSingle(high) * 256f + value;
                }

                Vector512<float> term = value * (scale * Vector512.Load(scales + i));
                Vector512<float> result = (first ? Vector512<float>.Zero : Vector512.Load(output + i)) + term;
                if (bias != null)
                {
                    result += Vector512.Load(bias + i);
                }

                if (last)
                {
                    result = Vector512.AndNot(result, Vector512.LessThan(Vector512.Abs(result), tiny));
                }

                result.Store(output + i);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Apply(in Row row, int firstChannel, int from, int channels, float* scales, int* shifts, int* zeros, int* sums, bool first, bool last)
    {
        Vector256<float> scale = Vector256.Create(row.Scale);
        Vector256<int> zero = Vector256.Create(row.Zero), lowSum = Vector256.Create(row.LowSum), lowShift = Vector256.Create(row.LowShift), lowConstant = Vector256.Create(row.LowConstant);
        Vector256<int> highSum = Vector256.Create(row.HighSum), highShift = Vector256.Create(row.HighShift), highConstant = Vector256.Create(row.HighConstant);
        // Symmetric activations have no zero point, and signed digits no offset: multiplications of 32 bits are slow.
        bool lowMoved = (row.LowShift | row.Zero | row.LowConstant) != 0, highMoved = (row.HighShift | row.HighConstant) != 0;
        float* bias = stackalloc float[Lanes], tail = stackalloc float[Lanes];
        for (int i = from; i < channels; i += Lanes)
        {
            Vector256<int> shift = Vector256.Load(shifts + i);
            Vector256<int> low = Vector256.Load(row.Low + i) + shift * lowSum;
            if (lowMoved)
            {
                low += Vector256.Load(sums + i) * lowShift + Vector256.Load(zeros + i) * zero + lowConstant;
            }

            Vector256<float> value = Vector256.ConvertToSingle(low);
            if (row.High != null)
            {
                Vector256<int> high = Vector256.Load(row.High + i) + shift * highSum;
                if (highMoved)
                {
                    high += Vector256.Load(sums + i) * highShift + highConstant;
                }

                value = Vector256.ConvertToSingle(high) * 256f + value;
            }

            Vector256<float> term = value * (scale * Vector256.Load(scales + i));
            int valid = Math.Min(Lanes, channels - i);
            float* output = row.Output + i;
            bool whole = valid == Lanes;
            if (!whole && !first)
            {
                Buffer.MemoryCopy(output, tail, Lanes * sizeof(float), valid * sizeof(float));
            }

            Vector256<float> result = (first ? Vector256<float>.Zero : Vector256.Load(whole ? output : tail)) + term;
            if (last)
            {
                if (linear.Bias is { } values)
                {
                    values.AsSpan(firstChannel + i, valid).CopyTo(new Span<float>(bias, Lanes));
                    result += Vector256.Load(bias);
                }

                result = Vector256.ConditionalSelect(Vector256.LessThan(Vector256.Abs(result), Vector256.Create(Contract.Tiny)), Vector256<float>.Zero, result);
            }

            if (whole)
            {
                result.Store(output);
            }
            else
            {
                result.Store(tail);
                Buffer.MemoryCopy(tail, output, valid * sizeof(float), valid * sizeof(float));
            }
        }
    }

    // What one token contributes to a group.
    private struct Row
    {
        public int* Low, High;
        public float* Output;
        public float Scale;
        public int Zero, LowSum, LowShift, LowConstant, HighSum, HighShift, HighConstant;
    }

    /// <summary>What stands between a kernel's sums and those of the codes.</summary>
    private readonly struct Offsets
    {
        public Offsets(QuantizedActivations x, QuantizedLinear linear, MatmulKernel kernel)
        {
            Weights = kernel.WeightOffset(linear.Weights.Format);
            Low = kernel.ActivationOffset(ActivationRows.DigitFormat(x.Format, 0));
            High = kernel.ActivationOffset(ActivationRows.DigitFormat(x.Format, 1));
            HasZeros = x.ZeroPoints.AsSpan(0, x.Rows * x.ScaleGroups.Count).ContainsAnyExcept(0);
            RowSums = Low != 0 || High != 0 || HasZeros ? linear.Weights.RowSums : null;
        }

        /// <summary>wo.</summary>
        public int Weights { get; }

        /// <summary>xo of low digits.</summary>
        public int Low { get; }

        /// <summary>xo of high digits.</summary>
        public int High { get; }

        /// <summary>Whether a token has a zero point.</summary>
        public bool HasZeros { get; }

        /// <summary>Σw, which only zero points and offsets of activations multiply: null, and uncounted, where there are none.</summary>
        public int[]? RowSums { get; }
    }
}

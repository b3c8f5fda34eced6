using System.Text.Json.Serialization;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>What is added to the smoothed weights before they are quantized; folded, so free at run time.</summary>
internal enum WeightCompensation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>a·bᵀ on the down projection of the first three and the last four blocks (ABQ-LLM).</summary>
    RankOne,

    /// <summary>A trained offset of every weight of every layer, learned in units of its channel's step (ours; beyond the paper).</summary>
    Full,
}

/// <summary>The parts of block training, each with its switch: ABQ-LLM as published, our recipe, or OmniQuant.</summary>
internal sealed record AbqOptions
{
    /// <summary>Passes over the calibration sequences per block, one step per sequence.</summary>
    public int Epochs { get; init; } = 4;

    /// <summary>Learnable equivalent transformation (smoothing).</summary>
    public bool Smoothing { get; init; } = true;

    /// <summary>Smooth the pair up/down (s_fc2) too, ABQ-LLM's addition to OmniQuant's four pairs.</summary>
    public bool SmoothUpDown { get; init; } = true;

    /// <summary>Learnable weight clipping.</summary>
    public bool Clipping { get; init; } = true;

    /// <summary>Compensation of weights.</summary>
    public WeightCompensation Compensation { get; init; } = WeightCompensation.Full;

    /// <summary>Factor of the mean squared errors.</summary>
    public float MseWeight { get; init; } = 1;

    /// <summary>Divide the squared errors by the teacher's mean square, so that the factor means the same in every block.</summary>
    public bool RelativeMse { get; init; } = true;

    /// <summary>Factor of the double-log-cosine terms.</summary>
    public float CosineWeight { get; init; } = 1;

    /// <summary>Compare with both teachers (the float block on the float stream and on the quantized stream), or with the first only.</summary>
    public bool BothTeachers { get; init; } = true;

    /// <summary>How attention maps are compared.</summary>
    public AttentionDivergence Attention { get; init; } = AttentionDivergence.PerRow;

    /// <summary>Factor of the attention divergence.</summary>
    public float AttentionWeight { get; init; } = 0.1f;

    /// <summary>Learning rate of the smoothing vectors.</summary>
    public float SmoothingRate { get; init; } = 5e-3f;

    /// <summary>Learning rate of the clipping logits.</summary>
    public float ClippingRate { get; init; } = 1e-2f;

    /// <summary>Learning rate of the rank-1 vectors.</summary>
    public float RankOneRate { get; init; } = 1e-2f;

    /// <summary>Learning rate of <see cref="WeightCompensation.Full"/>, in steps of the weight grid.</summary>
    public float OffsetRate { get; init; } = 5e-3f;

    /// <summary>Smoothing vectors are e^θ (true) or θ itself, kept at |θ| ≥ 0.01 as published.</summary>
    public bool LogarithmicSmoothing { get; init; } = true;

    /// <summary>α of the smoothing vectors' initial value a^α / w^(1−α).</summary>
    public float SmoothingAlpha { get; init; } = 0.5f;

    /// <summary>Start clipping at the factors of least weighted squared error (true) or at σ(4) as published.</summary>
    public bool ClippingSearch { get; init; } = true;

    /// <summary>Start clipping from searched grids (<see cref="Quantization.GridSearch"/>), whatever <see cref="ClippingSearch"/> says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SearchedGrids { get; init; }

    /// <summary>Learning rates fall to zero along half a cosine (true) or stay constant as published.</summary>
    public bool CosineSchedule { get; init; } = true;

    /// <summary>Sequences in a new order in every pass (true) or in the fixed order as published.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Stop a block after this many passes without an improvement of 0.1 % of the pass's mean loss; 0 = never.</summary>
    public int Patience { get; init; }

    /// <summary>Seed of the order of sequences.</summary>
    public int Seed { get; init; }

    /// <summary>Our recipe. With few levels clipping starts from searched grids, which measured better there and not beyond.</summary>
    /// <param name="weightBits">Bits of the weights.</param>
    public static AbqOptions Ours(int weightBits) => new() { SearchedGrids = weightBits <= 2 };

    /// <summary>ABQ-LLM's published recipe; the attention divergence acts on the probabilities themselves.</summary>
    /// <param name="weightBits">Bits of the weights: 40 passes for 2 bits and for 8, otherwise 20.</param>
    public static AbqOptions Paper(int weightBits) => new()
    {
        Epochs = weightBits is 2 or 8 ? 40 : 20,
        Compensation = WeightCompensation.RankOne,
        RelativeMse = false,
        AttentionWeight = 1,
        LogarithmicSmoothing = false,
        ClippingSearch = false,
        CosineSchedule = false,
        Shuffle = false,
    };

    /// <summary>OmniQuant: learned smoothing of four pairs and clipping, squared error against the float stream's teacher only.</summary>
    public static AbqOptions OmniQuant => Paper(4) with
    {
        SmoothUpDown = false,
        Compensation = WeightCompensation.None,
        CosineWeight = 0,
        Attention = AttentionDivergence.None,
        BothTeachers = false,
    };

    /// <summary>Whether attention maps are compared.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool ComparesAttention => Attention != AttentionDivergence.None && AttentionWeight != 0;

    /// <summary>Whether a block carries a rank-1 compensation: the first three and the last four.</summary>
    public bool HasRankOne(int block, int blocks) => Compensation == WeightCompensation.RankOne && (block <= 2 || block >= blocks - 4);
}

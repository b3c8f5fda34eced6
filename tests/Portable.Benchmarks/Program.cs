using BenchmarkDotNet.Running;
using Portable.Benchmarks;

// dotnet run -c Release --project tests/Portable.Benchmarks -- --filter '*'
// DOTNET_PROCESSOR_COUNT=1 dotnet run -c Release --project tests/Portable.Benchmarks -- training-gemm     ratios within one process
// DOTNET_PROCESSOR_COUNT=2 dotnet run -c Release --project tests/Portable.Benchmarks -- inverse-factor 2048 11008      seconds and bits of a Cholesky factor and its inverse
// dotnet run -c Release --project tests/Portable.Benchmarks -- flatten-curve MODEL CALIBRATION EVALUATION 16 40   the curve of FlattenQuant
if (args is ["training-gemm"])
{
    TrainingGemmRatios.Print();
}
else if (args is ["inverse-factor", ..])
{
    InverseFactorRates.Print(args[1..].Select(int.Parse));
}
else if (args is ["flatten-curve", _, _, _, _, _])
{
    FlattenCurve.Print(args[1..]);
}
else
{
    BenchmarkSwitcher.FromAssembly(typeof(MatmulBenchmarks).Assembly).Run(args);
}

using BenchmarkDotNet.Running;
using Portable.Benchmarks;

// dotnet run -c Release --project tests/Portable.Benchmarks -- --filter '*'
// DOTNET_PROCESSOR_COUNT=1 dotnet run -c Release --project tests/Portable.Benchmarks -- training-gemm     ratios within one process
if (args is ["training-gemm"])
{
    TrainingGemmRatios.Print();
}
else
{
    BenchmarkSwitcher.FromAssembly(typeof(MatmulBenchmarks).Assembly).Run(args);
}

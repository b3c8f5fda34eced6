using BenchmarkDotNet.Running;

// dotnet run -c Release --project tests/Portable.Benchmarks -- --filter '*'
BenchmarkSwitcher.FromAssembly(typeof(Portable.Benchmarks.MatmulBenchmarks).Assembly).Run(args);

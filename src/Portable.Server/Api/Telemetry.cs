using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Portable.Serving;

namespace Portable.Server.Api;

/// <summary>
/// What a server has done: instruments of OpenTelemetry's names for generative models (a meter and an activity source called
/// Portable.Server, which any exporter can listen to), and the same in Prometheus' text.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    private static readonly double[] Buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
    private readonly Meter _meter = new("Portable.Server");
    private readonly ActivitySource _activities = new("Portable.Server");
    private readonly Histogram<double> _duration, _first;
    private readonly Counter<long> _tokens;
    private readonly string _model;
    private readonly ConcurrentDictionary<(string Operation, int Status), long> _requests = new();
    private readonly Distribution _durations = new(), _firsts = new();
    private long _input, _output, _cached;

    public Telemetry(string model)
    {
        _model = model;
        _duration = _meter.CreateHistogram<double>("gen_ai.server.request.duration", "s");
        _first = _meter.CreateHistogram<double>("gen_ai.server.time_to_first_token", "s");
        _tokens = _meter.CreateCounter<long>("gen_ai.client.token.usage", "{token}");
    }

    /// <summary>Starts a span.</summary>
    public Activity? Start(string operation)
    {
        Activity? activity = _activities.StartActivity($"{operation} {_model}", ActivityKind.Server);
        activity?.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.request.model", _model).SetTag("gen_ai.provider.name", "portable");
        return activity;
    }

    /// <summary>Counts a request that has been answered.</summary>
    public void Answered(string operation, int status, TimeSpan took)
    {
        _requests.AddOrUpdate((operation, status), 1, (_, count) => count + 1);
        _durations.Add(took.TotalSeconds);
        _duration.Record(took.TotalSeconds, new KeyValuePair<string, object?>("gen_ai.operation.name", operation), new KeyValuePair<string, object?>("gen_ai.request.model", _model));
    }

    /// <summary>Counts the tokens of answers that have ended.</summary>
    public void Count(IReadOnlyCollection<Answer> answers)
    {
        foreach (Answer answer in answers)
        {
            if (answer.ToFirst is { TotalSeconds: var seconds })
            {
                _firsts.Add(seconds);
                _first.Record(seconds, new KeyValuePair<string, object?>("gen_ai.request.model", _model));
            }

            Add(ref _input, answer.Request.Prompt.Length, "input");
            Add(ref _output, answer.Made, "output");
            Interlocked.Add(ref _cached, answer.Reused);
        }

        Activity.Current?.SetTag("gen_ai.usage.input_tokens", answers.Sum(a => a.Request.Prompt.Length)).SetTag("gen_ai.usage.output_tokens", answers.Sum(a => a.Made));
    }

    /// <summary>All of it as Prometheus reads it.</summary>
    public string Text(LanguageModel? model)
    {
        StringBuilder text = new();
        text.Append("# TYPE portable_requests_total counter\n");
        foreach (((string operation, int status), long count) in _requests.OrderBy(r => r.Key))
        {
            text.Append(CultureInfo.InvariantCulture, $"portable_requests_total{{operation=\"{operation}\",status=\"{status}\"}} {count}\n");
        }

        text.Append("# TYPE gen_ai_client_token_usage_total counter\n");
        text.Append(CultureInfo.InvariantCulture, $"gen_ai_client_token_usage_total{{gen_ai_token_type=\"input\"}} {Interlocked.Read(ref _input)}\n");
        text.Append(CultureInfo.InvariantCulture, $"gen_ai_client_token_usage_total{{gen_ai_token_type=\"output\"}} {Interlocked.Read(ref _output)}\n");
        text.Append(CultureInfo.InvariantCulture, $"# TYPE portable_reused_tokens_total counter\nportable_reused_tokens_total {Interlocked.Read(ref _cached)}\n");
        _durations.Write(text, "gen_ai_server_request_duration_seconds");
        _firsts.Write(text, "gen_ai_server_time_to_first_token_seconds");
        if (model is not null)
        {
            Scheduler scheduler = model.Engine.Scheduler;
            Gauge("portable_running_texts", scheduler.Running);
            Gauge("portable_waiting_texts", scheduler.Waiting);
            Gauge("portable_slots", model.Model.Sequences);
            Gauge("portable_cached_positions", model.CachedPositions);
            Gauge("portable_cache_positions", (long)model.Model.Sequences * model.Context);
        }

        return text.ToString();

        void Gauge(string name, long value) => text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} gauge\n{name} {value}\n");
    }

    public void Dispose()
    {
        _meter.Dispose();
        _activities.Dispose();
    }

    private void Add(ref long total, int count, string type)
    {
        Interlocked.Add(ref total, count);
        _tokens.Add(count, new KeyValuePair<string, object?>("gen_ai.token.type", type), new KeyValuePair<string, object?>("gen_ai.request.model", _model));
    }

    private sealed class Distribution
    {
        private readonly Lock _lock = new();
        private readonly long[] _counts = new long[Buckets.Length + 1];
        private double _sum;

        public void Add(double value)
        {
            int bucket = Array.FindIndex(Buckets, b => value <= b);
            lock (_lock)
            {
                _counts[bucket < 0 ? Buckets.Length : bucket]++;
                _sum += value;
            }
        }

        public void Write(StringBuilder text, string name)
        {
            lock (_lock)
            {
                long count = 0;
                text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} histogram\n");
                for (int i = 0; i < _counts.Length; i++)
                {
                    count += _counts[i];
                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"{(i < Buckets.Length ? Buckets[i].ToString(CultureInfo.InvariantCulture) : "+Inf")}\"}} {count}\n");
                }

                text.Append(CultureInfo.InvariantCulture, $"{name}_sum {_sum}\n{name}_count {count}\n");
            }
        }
    }
}

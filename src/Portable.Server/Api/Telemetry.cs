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
    private readonly Histogram<double> _duration, _first, _each;
    private readonly Histogram<long> _tokens;
    private readonly string _model;
    private readonly ConcurrentDictionary<(string Operation, int Status), long> _requests = new();
    private readonly Distribution _durations = new(), _firsts = new();
    private long _input, _output, _cached;

    public Telemetry(string model)
    {
        _model = model;
        InstrumentAdvice<double> advice = new() { HistogramBucketBoundaries = Buckets };
        _duration = _meter.CreateHistogram("gen_ai.server.request.duration", "s", advice: advice);
        _first = _meter.CreateHistogram("gen_ai.server.time_to_first_token", "s", advice: advice);
        _each = _meter.CreateHistogram("gen_ai.server.time_per_output_token", "s", advice: advice);
        _tokens = _meter.CreateHistogram("gen_ai.client.token.usage", "{token}", advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576] });
    }

    /// <summary>Starts a span.</summary>
    public Activity? Start(string operation)
    {
        Activity? activity = _activities.StartActivity($"{operation} {_model}", ActivityKind.Server);
        foreach (KeyValuePair<string, object?> tag in Tags(operation))
        {
            activity?.SetTag(tag.Key, tag.Value);
        }

        return activity;
    }

    /// <summary>Counts a request that has been answered.</summary>
    public void Answered(string operation, int status, TimeSpan took)
    {
        _requests.AddOrUpdate((operation, status), 1, (_, count) => count + 1);
        _durations.Add(took.TotalSeconds);
        TagList tags = Tags(operation);
        if (status >= 400)
        {
            tags.Add("error.type", status.ToString(CultureInfo.InvariantCulture));
        }

        _duration.Record(took.TotalSeconds, tags);
    }

    /// <summary>Counts the tokens of answers that have ended.</summary>
    public void Count(string operation, IReadOnlyCollection<Answer> answers)
    {
        TagList tags = Tags(operation);
        foreach (Answer answer in answers)
        {
            if (answer.ToFirst is { TotalSeconds: var seconds })
            {
                _firsts.Add(seconds);
                _first.Record(seconds, tags);
                if (answer.Made > 1)
                {
                    _each.Record((Stopwatch.GetElapsedTime(answer.Asked).TotalSeconds - seconds) / (answer.Made - 1), tags);
                }
            }

            Add(ref _input, answer.Request.Prompt.Length, "input", tags);
            Add(ref _output, answer.Made, "output", tags);
            Interlocked.Add(ref _cached, answer.Reused);
        }

        // The prompt once, however many answers.
        Activity.Current?.SetTag("gen_ai.response.model", _model)
            .SetTag("gen_ai.usage.input_tokens", answers.FirstOrDefault()?.Request.Prompt.Length ?? 0).SetTag("gen_ai.usage.output_tokens", answers.Sum(a => a.Made))
            .SetTag("gen_ai.response.finish_reasons", answers.Select(a => a.End == AnswerEnd.Length ? "length" : a.End is null ? "error" : "stop").ToArray());
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
            text.Append(CultureInfo.InvariantCulture, $"# TYPE portable_interruptions_total counter\nportable_interruptions_total {scheduler.Interruptions}\n");
            Gauge("portable_slots", model.Model.Sequences);
            Gauge("portable_cached_positions", model.CachedPositions.Held);
            Gauge("portable_cache_positions", model.CachedPositions.Room);
        }

        return text.ToString();

        void Gauge(string name, long value) => text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} gauge\n{name} {value}\n");
    }

    public void Dispose()
    {
        _meter.Dispose();
        _activities.Dispose();
    }

    private void Add(ref long total, int count, string type, TagList tags)
    {
        Interlocked.Add(ref total, count);
        tags.Add("gen_ai.token.type", type);
        _tokens.Record(count, tags);
    }

    private TagList Tags(string operation) => new() { { "gen_ai.operation.name", operation }, { "gen_ai.request.model", _model }, { "gen_ai.provider.name", "portable" } };

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

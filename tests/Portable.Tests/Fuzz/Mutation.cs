using System.Text;
using System.Text.Json.Nodes;

namespace Portable.Tests.Fuzz;

/// <summary>Spoils files as strangers, editors, downloads and attackers do, from a seed.</summary>
/// <param name="seed">The same seed, the same mutation.</param>
internal sealed class Mutation(int seed)
{
    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-1", "1", "2", "3", "16", "1e999", "-0.0", "1.5", "2147483647", "2147483648", "-9223372036854775809", "123456789012345678901234567890", "\"\"", "\"x\"",
        "\"1\"", "[]", "{}", "[1, 2]", "[null]", "[[[[]]]]", "{\"a\": {\"b\": []}}", "\"\\ud800\"", "\"\\u0000\"", "\"../../etc/passwd\"", "\"a\\nb\"", "[-1]", "[1, \"2\"]", "\"silu\"", "\"llama3\"", "\"default\"",
        "0.25", "-64", "\"yarn\"", "\"longrope\"", "\"dynamic\"", "\"linear\"", "\"sliding_attention\"", "[\"full_attention\"]", "[1, 1, 1, 1]", "{\"rope_type\": \"yarn\"}", "{\"full_attention\": {}}", "1e-300", "1e300",
    ];

    private static readonly byte[][] Insertions = [[0], [0xFF], [0xEF, 0xBB, 0xBF], "\\u"u8.ToArray(), "\""u8.ToArray(), "["u8.ToArray(), "}"u8.ToArray(), ","u8.ToArray(), "-"u8.ToArray(), "9999999999"u8.ToArray(), "1e"u8.ToArray(), "//"u8.ToArray(), [0xC0, 0x80], [0xED, 0xA0, 0x80], "\r\n"u8.ToArray()];

    private readonly Random _random = new(seed);

    /// <summary>One to three changes of bytes.</summary>
    public byte[] Bytes(byte[] source)
    {
        List<byte> bytes = [.. source];
        for (int count = _random.Next(1, 4); count > 0; count--)
        {
            int at = _random.Next(bytes.Count + 1), length = Math.Min(_random.Next(1, 1 << _random.Next(8)), bytes.Count - at);
            switch (_random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(_random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                    break;
                case 4 when _random.Next(4) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 5 when _random.Next(8) == 0:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)(_random.Next(2) == 0 ? '[' : '{'), _random.Next(200)));
                    break;
                default:
                    bytes.InsertRange(at, Insertions[_random.Next(Insertions.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>One to three changes of the values, names and places of a JSON object.</summary>
    public byte[] Json(byte[] source)
    {
        JsonNode root = JsonNode.Parse(source)!;
        for (int count = _random.Next(1, 4); count > 0; count--)
        {
            List<JsonNode> holders = [.. Holders(root)];
            if (holders.Count == 0)
            {
                break;
            }

            JsonNode holder = holders[_random.Next(holders.Count)];
            if (holder is JsonArray array)
            {
                int at = _random.Next(array.Count);
                if (_random.Next(4) == 0)
                {
                    array.RemoveAt(at);
                }
                else
                {
                    array[at] = Value(root);
                }
            }
            else if (holder is JsonObject fields)
            {
                string name = fields.ElementAt(_random.Next(fields.Count)).Key;
                switch (_random.Next(6))
                {
                    case 0:
                        fields.Remove(name);
                        break;
                    case 1:
                        fields[name + (char)_random.Next(32, 1000)] = fields[name]?.DeepClone();
                        break;
                    default:
                        fields[name] = Value(root);
                        break;
                }
            }
        }

        string text = root.ToJsonString();
        for (int i = 0; i < Values.Length; i++)
        {
            text = text.Replace($"\"@{i}\"", Values[i], StringComparison.Ordinal);
        }

        return Encoding.UTF8.GetBytes(text);
    }

    private static IEnumerable<JsonNode> Holders(JsonNode node) => node switch
    {
        JsonObject { Count: > 0 } fields => fields.Where(f => f.Value is not null).SelectMany(f => Holders(f.Value!)).Prepend(node),
        JsonArray { Count: > 0 } items => items.Where(i => i is not null).SelectMany(i => Holders(i!)).Prepend(node),
        _ => [],
    };

    // Mostly a value that no library would write (a mark, replaced in the text), else one from elsewhere in the file.
    private JsonNode? Value(JsonNode root)
    {
        if (_random.Next(4) > 0)
        {
            return $"@{_random.Next(Values.Length)}";
        }

        List<JsonNode> holders = [.. Holders(root)];
        return holders[_random.Next(holders.Count)].DeepClone();
    }
}

using FsCheck.Xunit;
using Portable.Chat.Tools;

namespace Portable.Tests.Chat;

/// <summary>Calls of functions in answers, however these are cut into pieces.</summary>
public sealed class ToolCallReaderTests
{
    public static TheoryData<string, string, string, string> Answers => new()
    {
        { "Tagged", "Hello <b>there</b>\n", "Hello <b>there</b>\n", "" },
        { "Tagged", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, {}]}}\n</tool_call>", "", "f{\"a\": [1, {}]}" },
        { "Tagged", "Let me see.\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{\"x\":\"</s>\"}}</tool_call>\n", "Let me see.", "f{} g{\"x\":\"</s>\"}" },
        { "Tagged", "<tool_call>{\"name\":\"f\",\"arguments\":{}}", "", "f{}" },
        { "Tagged", "<tool_call>{\"name\":3}</tool_call> x", "<tool_call>{\"name\":3}</tool_call> x", "" },
        { "Tagged", "a <tool_call", "a <tool_call", "" },
        { "Tagged", "Between \n<tool_call> and </tool_call> is a call, as in <tool_call> of", "Between \n<tool_call> and </tool_call> is a call, as in <tool_call> of", "" },
        { "Whole", "{\"name\": \"f\", \"parameters\": {\"a\": \"}\"}}", "", "f{\"a\": \"}\"}" },
        { "Whole", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "", "f{} g{}" },
        { "Whole", "{\"name\": \"f\"}", "{\"name\": \"f\"}", "" },
        { "Whole", "{ no", "{ no", "" },
        { "Whole", " plain {\"name\": \"f\", \"parameters\": {}}", " plain {\"name\": \"f\", \"parameters\": {}}", "" },
        { "None", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", "" },
    };

    /// <summary>Answers that the limit of tokens ends.</summary>
    public static TheoryData<string, string, string, string> Shortened => new()
    {
        { "Tagged", "Hello\n", "Hello\n", "" },
        { "Tagged", "Let me see.\n<tool_call>", "Let me see.", "" },
        { "Tagged", "Let me see.\n<tool_call>\n{\"na", "Let me see.", "" },
        { "Tagged", "<tool_call>\n{\"name\": \"f\", \"argu", "", "" },
        { "Tagged", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{\"x\":\"</to", "", "f{}" },
        { "Tagged", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":[1]}", "", "" },
        { "Tagged", "<tool_call>{\"name\":\"f\",\"arguments\":{}}\n</tool_", "", "f{}" },
        { "Tagged", "a <tool_call", "a", "" },
        { "Tagged", "a <", "a <", "" },
        { "Tagged", "Between <tool_call> and its end", "Between <tool_call> and its end", "" },
        { "Tagged", "<tool_call>{\"name\":3}", "<tool_call>{\"name\":3}", "" },
        { "Tagged", "<tool_call>{\"colour\":", "<tool_call>{\"colour\":", "" },
        { "Whole", "{\"name\": \"f\", \"parameters\": {\"a\": \"}", "", "" },
        { "Whole", "{\"type\": \"function\", \"na", "", "" },
        { "Whole", "{\"name\"", "", "" },
        { "Whole", "<|python_tag|>", "", "" },
        { "Whole", "<|python_tag", "", "" },
        { "Whole", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"param", "", "f{}" },
        { "Whole", "{\"name\": \"Bob\", \"age\": 3", "{\"name\": \"Bob\", \"age\": 3", "" },
        { "Whole", "{\"name\": 3, \"ty", "{\"name\": 3, \"ty", "" },
        { "Whole", "{ no", "{ no", "" },
        { "None", "<tool_call>{\"name", "<tool_call>{\"name", "" },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void CallsAreTakenOutHoweverTheTextIsCut(string format, string answer, string text, string calls) => AssertRead(format, answer, text, calls, cut: false);

    /// <summary>A call that is not whole is no text, and not called.</summary>
    [Theory]
    [MemberData(nameof(Shortened))]
    public void CallsThatTheLimitCutsOffAreLeftOut(string format, string answer, string text, string calls) => AssertRead(format, answer, text, calls, cut: true);

    private static void AssertRead(string format, string answer, string text, string calls, bool cut)
    {
        for (int seed = 0; seed < 30; seed++)
        {
            Random random = new(seed);
            ToolCallReader reader = new(Enum.Parse<ToolCallFormat>(format));
            string said = "";
            List<string> called = [];
            for (int at = 0; at < answer.Length;)
            {
                int length = seed == 0 ? answer.Length : Math.Min(answer.Length - at, 1 + random.Next(seed < 5 ? 1 : 9));
                Take(reader.Push(answer.Substring(at, length)));
                at += length;
            }

            Take(reader.Finish(cut));
            Assert.Equal((text, calls), (said, string.Join(' ', called)));

            void Take((string Text, IReadOnlyList<ToolCall> Calls) piece)
            {
                said += piece.Text;
                called.AddRange(piece.Calls.Select(c => c.Name + c.Arguments));
            }
        }
    }

    [Property]
    public void TextWithoutCallsStaysAsItIs(string[] pieces)
    {
        foreach (ToolCallFormat format in Enum.GetValues<ToolCallFormat>())
        {
            ToolCallReader reader = new(format);
            string said = string.Concat(pieces.Select(p => reader.Push(p ?? "").Text)) + reader.Finish().Text;
            Assert.Equal(string.Concat(pieces), said);
        }
    }
}

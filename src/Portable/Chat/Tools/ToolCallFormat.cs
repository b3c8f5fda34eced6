namespace Portable.Chat.Tools;

/// <summary>How the models of a template write calls of functions.</summary>
internal enum ToolCallFormat
{
    /// <summary>The template knows no functions, or writes them in a way that is not read here.</summary>
    None,

    /// <summary>Qwen and Hermes: a JSON object with name and arguments between &lt;tool_call&gt; and &lt;/tool_call&gt;, anywhere in the text.</summary>
    Tagged,

    /// <summary>Llama 3.1: the whole answer is a JSON object with name and parameters, with or without &lt;|python_tag|&gt; in front.</summary>
    Whole,
}

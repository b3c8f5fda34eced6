namespace Portable.Tests.Support;

/// <summary>
/// Data that lies beside the repository and is not part of it: a folder `shared` with models, texts and tokenizers, found by
/// walking up from the test assembly. Tests that need it skip where it is absent.
/// </summary>
public static class SharedData
{
    private static readonly string? Root = FindRoot();

    /// <summary>Why a test that needs the data does not run.</summary>
    public const string Absent = "The folder 'shared' with models and texts is not beside the repository.";

    /// <summary>Directory of a model (tiny-llama, small-llama, tiny-opt), or null.</summary>
    public static string? Models(string name) => Find("models", name);

    /// <summary>Path of a text, or null.</summary>
    public static string? Text(string name) => Find("text", name);

    /// <summary>Directory of a tokenizer (gpt2, mistral), or null.</summary>
    public static string? Tokenizers(string name) => Find("tokenizers", name);

    /// <summary>Path within the small inputs on which tools of this kind went wrong, or null.</summary>
    public static string? Cases(string name) => Find("cases", name);

    private static string? Find(string folder, string name)
    {
        string? path = Root is null ? null : Path.Combine(Root, folder, name);
        return Path.Exists(path) ? path : null;
    }

    private static string? FindRoot()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            string candidate = Path.Combine(directory.FullName, "shared");
            if (Directory.Exists(Path.Combine(candidate, "models")))
            {
                return candidate;
            }
        }

        return null;
    }
}

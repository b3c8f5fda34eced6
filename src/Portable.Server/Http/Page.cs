using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Portable.Server.Http;

/// <summary>The page: one file without a request to anywhere else, and a policy that lets the browser run what it holds and nothing besides.</summary>
internal static class Page
{
    private static readonly byte[] Html = Read();
    private static readonly string Policy =
        $"default-src 'none'; script-src 'sha256-{Inner("script")}'; style-src 'sha256-{Inner("style")}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static Task WriteAsync(HttpContext context)
    {
        IHeaderDictionary headers = context.Response.Headers;
        context.Response.ContentType = "text/html; charset=utf-8";
        headers.ContentSecurityPolicy = Policy;
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.CacheControl = "no-cache";
        return context.Response.Body.WriteAsync(Html, context.RequestAborted).AsTask();
    }

    private static byte[] Read()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("index.html")!;
        using MemoryStream bytes = new();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    // The hash of what stands between the only two tags of a name.
    private static string Inner(string tag)
    {
        string page = Encoding.UTF8.GetString(Html), open = $"<{tag}>";
        int start = page.IndexOf(open, StringComparison.Ordinal) + open.Length;
        return Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(page[start..page.IndexOf($"</{tag}>", start, StringComparison.Ordinal)])));
    }
}

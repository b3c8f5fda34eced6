using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Portable.Server.Http;

/// <summary>Who may ask: Host and Origin, content type and key are checked before anything is read.</summary>
internal sealed class Access
{
    private const string Owner = "portable.owner";
    private readonly byte[][] _keys;
    private readonly string[] _owners;
    private readonly HashSet<string> _origins;
    private readonly bool _loopback;

    /// <param name="host">The address to listen on.</param>
    /// <param name="keys">Keys, one of which a request must bear; none = none is needed.</param>
    /// <param name="origins">Origins of other pages that may call.</param>
    /// <exception cref="ArgumentException">The address is none, an origin is none, or it is beyond loopback and there is no key (<see cref="KeyNeededException"/>).</exception>
    public Access(string host, IReadOnlyList<string> keys, IReadOnlyList<string> origins)
    {
        Address = host == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(host, out IPAddress? address) ? address
            : throw new ArgumentException($"'{host}' is no address to listen on: give an IP address, or localhost.");
        _loopback = IPAddress.IsLoopback(Address);
        if (keys.Any(k => k.Length == 0 || k.Any(c => c is <= ' ' or > '~')))
        {
            throw new ArgumentException("A key is one word of visible ASCII characters, and not empty.");
        }

        if (!_loopback && keys.Count == 0)
        {
            throw new KeyNeededException(host);
        }

        foreach (string origin in origins)
        {
            if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) || uri.GetLeftPart(UriPartial.Authority) != origin)
            {
                throw new ArgumentException($"'{origin}' is no origin, such as https://example.org.");
            }
        }

        _keys = [.. keys.Select(Hash)];
        // What tells owners apart says nothing of the keys.
        _owners = [.. _keys.Select((_, i) => $"key {i}")];
        _origins = new HashSet<string>(origins, StringComparer.Ordinal);
    }

    /// <summary>The address to listen on.</summary>
    public IPAddress Address { get; }

    /// <summary>Whose request it is.</summary>
    public static string OwnerOf(HttpContext context) => context.Items.TryGetValue(Owner, out object? owner) ? (string)owner! : string.Empty;

    /// <summary>Admits a request, or answers it.</summary>
    /// <returns>Whether the request goes on.</returns>
    /// <exception cref="ApiException">It is refused.</exception>
    public bool Admit(HttpContext context)
    {
        HttpRequest request = context.Request;
        // A name that leads to this machine's loopback is somebody else's page asking (DNS rebinding).
        if (_loopback && !(request.Host.Host is "localhost" || (IPAddress.TryParse(request.Host.Host.Trim('[', ']'), out IPAddress? asked) && IPAddress.IsLoopback(asked))))
        {
            throw new ApiException(403, "This server answers to localhost alone.", code: "host_not_allowed");
        }

        IHeaderDictionary headers = context.Response.Headers;
        if (_origins.Count > 0)
        {
            // What a cache keeps for one page's origin is no answer for another's, nor for none.
            headers.Vary = "Origin";
        }

        string? origin = request.Headers.Origin;
        if (origin is not null && origin != $"{request.Scheme}://{request.Host.Value}")
        {
            if (!_origins.Contains(origin))
            {
                throw new ApiException(403, "Pages of this origin may not call.", code: "origin_not_allowed");
            }

            headers.AccessControlAllowOrigin = origin;
            if (HttpMethods.IsOptions(request.Method))
            {
                headers.Vary = "Origin, Access-Control-Request-Headers";
                headers.AccessControlAllowMethods = "GET, HEAD, POST";
                headers.AccessControlAllowHeaders = AllowedHeaders(request.Headers.AccessControlRequestHeaders.ToString());
                headers.AccessControlMaxAge = "600";
                context.Response.StatusCode = 204;
                return false;
            }
        }

        if (request.Path.Value is "/" or "/health")
        {
            return true;
        }

        CheckKey(context);
        if (HttpMethods.IsPost(request.Method) && !(request.ContentType is { } type && type.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase)))
        {
            throw new ApiException(415, "The content type must be application/json.", code: "invalid_content_type");
        }

        return true;
    }

    // Clients send headers of their own (x-stainless-os and others): they change nothing here, and none gives a page more than its origin does.
    private static string AllowedHeaders(string asked) =>
        string.Join(", ", asked.Split(',', StringSplitOptions.TrimEntries).Where(IsHeaderName).Prepend("Content-Type").Prepend("Authorization").Distinct(StringComparer.OrdinalIgnoreCase));

    // A token, as RFC 9110 has it (5.6.2).
    private static bool IsHeaderName(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));

    private void CheckKey(HttpContext context)
    {
        if (_keys.Length == 0)
        {
            return;
        }

        string? header = context.Request.Headers.Authorization;
        byte[] given = Hash(header is not null && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header["Bearer ".Length..].Trim() : string.Empty);
        int found = -1;
        for (int i = 0; i < _keys.Length; i++)
        {
            // All of them, each in the same time.
            found = CryptographicOperations.FixedTimeEquals(given, _keys[i]) ? i : found;
        }

        context.Items[Owner] = found >= 0 ? _owners[found] : throw new ApiException(401, "A key is needed: Authorization: Bearer KEY.", code: "invalid_api_key");
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

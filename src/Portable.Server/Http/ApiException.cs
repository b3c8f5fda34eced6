namespace Portable.Server.Http;

/// <summary>A request that gets an error for its answer.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">What is wrong, and what would be right.</param>
/// <param name="parameter">The field at fault, or null.</param>
/// <param name="code">A word for programs, or null.</param>
internal sealed class ApiException(int status, string message, string? parameter = null, string? code = null) : Exception(message)
{
    public int Status => status;

    public string? Parameter => parameter;

    public string? Code => code;

    /// <summary>The kind of error, in OpenAI's words.</summary>
    public static string TypeOf(int status) => status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        408 => "timeout_error",
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };
}

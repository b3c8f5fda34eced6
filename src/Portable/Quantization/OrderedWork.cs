namespace Portable.Quantization;

/// <summary>Work that is done in order beside the caller's own, one piece at a time.</summary>
/// <param name="concurrent">Whether it is done beside it at all; else at once.</param>
internal sealed class OrderedWork(bool concurrent) : IDisposable
{
    private Task _last = Task.CompletedTask;

    /// <summary>Starts a piece once the one before it has ended.</summary>
    /// <exception cref="Exception">What the piece before it has thrown.</exception>
    public void Run(Action work)
    {
        Finish();
        if (concurrent)
        {
            _last = Task.Run(work);
        }
        else
        {
            work();
        }
    }

    /// <summary>Waits for the last piece.</summary>
    /// <exception cref="Exception">What it has thrown.</exception>
    public void Finish()
    {
        Task last = _last;
        _last = Task.CompletedTask;
        last.GetAwaiter().GetResult();
    }

    /// <summary>Waits for the last piece, whatever became of it: what it uses is given back behind this.</summary>
    public void Dispose() => _last.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
}

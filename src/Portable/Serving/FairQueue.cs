namespace Portable.Serving;

/// <summary>Answers that wait: owners take turns, and each owner's wait in the order of their coming. Not safe for use by several threads.</summary>
internal sealed class FairQueue
{
    private readonly LinkedList<(string Owner, Queue<Answer> Waiting)> _turns = [];

    /// <summary>Answers that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Puts one at the end of its owner's.</summary>
    public void Add(Answer answer)
    {
        Count++;
        foreach ((string owner, Queue<Answer> waiting) in _turns)
        {
            if (owner == answer.Request.Owner)
            {
                waiting.Enqueue(answer);
                return;
            }
        }

        _turns.AddLast((answer.Request.Owner, new Queue<Answer>([answer])));
    }

    /// <summary>Takes out the first that is taken, owner by owner; its owner's next turn comes after the others'.</summary>
    /// <param name="take">Asked about the first of each owner: whether to take it.</param>
    public Answer? TakeFirst(Func<Answer, bool> take)
    {
        for (LinkedListNode<(string, Queue<Answer> Waiting)>? turn = _turns.First; turn is not null; turn = turn.Next)
        {
            if (take(turn.Value.Waiting.Peek()))
            {
                Answer taken = turn.Value.Waiting.Dequeue();
                _turns.Remove(turn);
                if (turn.Value.Waiting.Count > 0)
                {
                    _turns.AddLast(turn);
                }

                Count--;
                return taken;
            }
        }

        return null;
    }

    /// <summary>Takes out all that are to go.</summary>
    public List<Answer> RemoveAll(Predicate<Answer> go)
    {
        List<Answer> gone = [];
        for (LinkedListNode<(string, Queue<Answer> Waiting)>? turn = _turns.First, next; turn is not null; turn = next)
        {
            next = turn.Next;
            Queue<Answer> waiting = turn.Value.Waiting;
            for (int i = waiting.Count; i > 0; i--)
            {
                Answer answer = waiting.Dequeue();
                if (go(answer))
                {
                    gone.Add(answer);
                }
                else
                {
                    waiting.Enqueue(answer);
                }
            }

            if (waiting.Count == 0)
            {
                _turns.Remove(turn);
            }
        }

        Count -= gone.Count;
        return gone;
    }
}

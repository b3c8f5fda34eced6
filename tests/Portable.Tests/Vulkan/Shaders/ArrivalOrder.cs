namespace Portable.Tests.Vulkan.Shaders;

/// <summary>
/// The arrivals of a compiled shader: atomics on buffers whose result is used. Each must stand between a release and an acquire of buffers beyond
/// the workgroup, and these between two control barriers that order buffers in it (shaders/README.md, "Memory order").
/// </summary>
internal sealed class ArrivalOrder
{
    private const uint ControlBarrier = 224, MemoryBarrier = 225, AtomicAdd = 234;

    private readonly Dictionary<uint, uint> _constants = [];
    private readonly List<Instruction> _body = [];
    private readonly HashSet<uint> _used = [];
    private readonly HashSet<uint> _bufferPointers = [];
    private readonly HashSet<uint> _bufferTypes = [];

    /// <summary>Reads a module.</summary>
    public ArrivalOrder(byte[] code)
    {
        bool inside = false;
        foreach ((_, uint operation, uint[] operands) in SpirvModule.Instructions(code))
        {
            inside |= operation == 54; // OpFunction
            Read(new Instruction(operation, operands), inside);
        }

        int[] arrivals = [.. Enumerable.Range(0, _body.Count).Where(IsArrival)];
        Count = arrivals.Length;
        Faults = [.. arrivals.Select(FaultOf).OfType<string>()];
    }

    /// <summary>Number of arrivals.</summary>
    public int Count { get; }

    /// <summary>What is wrong with them.</summary>
    public IReadOnlyList<string> Faults { get; }

    private void Read(Instruction instruction, bool inside)
    {
        const uint Buffer = 5349; // PhysicalStorageBuffer
        (uint code, uint[] operands) = instruction;
        if (code == 43) // OpConstant
        {
            _constants[operands[1]] = operands[2];
        }
        else if (code == 32 && operands[1] == Buffer) // OpTypePointer
        {
            _bufferTypes.Add(operands[0]);
        }
        else if (code is 65 or 66 && _bufferTypes.Contains(operands[0])) // OpAccessChain, OpInBoundsAccessChain
        {
            _bufferPointers.Add(operands[1]);
        }

        if (inside)
        {
            // Of an instruction with a result the first two words are its type and name; a store or branch has neither, which only widens the set.
            _used.UnionWith(code is ControlBarrier or MemoryBarrier or 62 ? operands : operands.Skip(2));
            if (code is ControlBarrier or MemoryBarrier or AtomicAdd)
            {
                _body.Add(instruction);
            }
        }
    }

    private bool IsArrival(int at) => _body[at] is (AtomicAdd, var operands) && _bufferPointers.Contains(operands[2]) && _used.Contains(operands[1]);

    private string? FaultOf(int at) =>
        at < 2 || at + 2 >= _body.Count ? "an arrival lacks barriers around it"
        : !Orders(_body[at - 1], MemoryBarrier, 4 | 8) ? "nothing is released before an arrival"
        : !Orders(_body[at + 1], MemoryBarrier, 2 | 8) ? "nothing is acquired after an arrival"
        : !Orders(_body[at - 2], ControlBarrier, 8) ? "the workgroup's writes are not ordered before an arrival"
        : !Orders(_body[at + 2], ControlBarrier, 8) ? "the workgroup's reads are not ordered after an arrival"
        : null;

    // A barrier of the kind, over buffers, with one of the orders; a fence must reach the device or the queue family.
    private bool Orders(Instruction barrier, uint kind, uint order)
    {
        const uint Device = 1, QueueFamily = 5, Buffers = 0x40;
        return barrier.Code == kind && _constants[barrier.Operands[^1]] is var semantics && (semantics & Buffers) != 0 && (semantics & order) != 0
            && (kind == ControlBarrier || _constants[barrier.Operands[0]] is Device or QueueFamily);
    }

    private readonly record struct Instruction(uint Code, uint[] Operands);
}

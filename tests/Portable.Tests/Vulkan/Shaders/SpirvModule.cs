using System.Runtime.InteropServices;

namespace Portable.Tests.Vulkan.Shaders;

/// <summary>What a compiled shader says of its interface: specialization constants and push constants. Format: Khronos, SPIR-V 1.6, section 2.3.</summary>
internal sealed class SpirvModule
{
    private readonly Dictionary<uint, (string Name, uint[] Operands)> _types = [];
    private readonly Dictionary<uint, uint> _constants = [];
    private readonly Dictionary<(uint Type, uint Member), uint> _offsets = [];
    private readonly Dictionary<uint, uint> _specialized = [];
    private readonly SortedDictionary<uint, string> _specializations = [];
    private uint _pushBlock;

    /// <summary>Reads a module.</summary>
    public SpirvModule(byte[] code)
    {
        foreach ((_, uint instruction, uint[] operands) in Instructions(code))
        {
            Read(instruction, operands);
        }
    }

    /// <summary>The instructions of a module in order: the word that each begins at, its code, its operands.</summary>
    public static IEnumerable<(int At, uint Code, uint[] Operands)> Instructions(byte[] code)
    {
        uint[] words = MemoryMarshal.Cast<byte, uint>(code).ToArray();
        Assert.Equal(0x07230203u, words[0]);
        for (int i = 5; i < words.Length;)
        {
            int length = (int)(words[i] >> 16);
            yield return (i, words[i] & 0xFFFF, words[(i + 1)..(i + length)]);
            i += length;
        }
    }

    /// <summary>The specialization constants that are left after optimization: "bool", "uint", "int" or "float" by id.</summary>
    public IReadOnlyDictionary<uint, string> Specializations => _specializations;

    /// <summary>Offset and bytes of each scalar and address of the push constants.</summary>
    public IReadOnlyList<(int Offset, int Bytes)> PushConstants => _pushBlock == 0 ? [] : [.. Leaves(_pushBlock, 0)];

    private void Read(uint instruction, ReadOnlySpan<uint> operands)
    {
        const uint SpecId = 1, Offset = 35, PushConstant = 9;
        switch (instruction)
        {
            case 20: // OpTypeBool
                _types[operands[0]] = ("bool", []);
                break;
            case 21: // OpTypeInt
                _types[operands[0]] = (operands[2] == 0 ? "uint" : "int", [operands[1]]);
                break;
            case 22: // OpTypeFloat
                _types[operands[0]] = ("float", [operands[1]]);
                break;
            case 23: // OpTypeVector
                _types[operands[0]] = ("vector", [operands[1], operands[2]]);
                break;
            case 28: // OpTypeArray
                _types[operands[0]] = ("array", [operands[1], operands[2]]);
                break;
            case 30: // OpTypeStruct
                _types[operands[0]] = ("struct", operands[1..].ToArray());
                break;
            case 32: // OpTypePointer
                _types[operands[0]] = ("pointer", [operands[1], operands[2]]);
                break;
            case 39: // OpTypeForwardPointer
                _types[operands[0]] = ("pointer", [operands[1], 0]);
                break;
            case 43: // OpConstant
                _constants[operands[1]] = operands[2];
                break;
            case 48 or 49 or 50 when _specialized.TryGetValue(operands[1], out uint id): // OpSpecConstantTrue, False, OpSpecConstant
                _specializations[id] = _types[operands[0]].Name;
                break;
            case 59 when operands[2] == PushConstant: // OpVariable
                _pushBlock = _types[operands[0]].Operands[1];
                break;
            case 71 when operands[1] == SpecId: // OpDecorate
                _specialized[operands[0]] = operands[2];
                break;
            case 72 when operands[2] == Offset: // OpMemberDecorate
                _offsets[(operands[0], operands[1])] = operands[3];
                break;
        }
    }

    private IEnumerable<(int Offset, int Bytes)> Leaves(uint type, int at)
    {
        (string name, uint[] operands) = _types[type];
        return name switch
        {
            "struct" => operands.SelectMany((member, i) => Leaves(member, at + (int)_offsets[(type, (uint)i)])),
            "vector" => Enumerable.Range(0, (int)operands[1]).SelectMany(i => Leaves(operands[0], at + (4 * i))),
            "array" => Enumerable.Range(0, (int)_constants[operands[1]]).SelectMany(i => Leaves(operands[0], at + (4 * i))),
            "pointer" => [(at, sizeof(ulong))],
            _ => [(at, (int)operands[0] / 8)],
        };
    }
}

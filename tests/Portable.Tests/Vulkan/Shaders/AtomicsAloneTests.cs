using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Tests.Vulkan.Shaders;

/// <summary>
/// Buffers that workgroups pass single words in (include/links.glsl, include/handshake.glsl): in the compiled shaders they are read and written by
/// atomics of the device's scope alone, which is all that makes them right by the memory model (shaders/README.md, "Memory order").
/// </summary>
public sealed class AtomicsAloneTests
{
    private const uint OpLoad = 61, OpAtomicLoad = 227;

    public static TheoryData<string> Names => [.. ShaderLibrary.Names];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void WhatAtomicsPassOnNothingElseTouches(string name)
    {
        Skip.If(ShaderSources.Folder is null, "the sources are not beside the tests");
        (int loads, int faults) = Read(ShaderLibrary.Load(name));
        Assert.Equal(0, faults);
        Assert.Equal(ShaderSources.WithIncludes(ShaderSources.PathOf(name)).Contains("uint lookAt(", StringComparison.Ordinal), loads > 0);
    }

    // What the test above is worth: every single atomic load that is made a plain one is missed.
    [Theory]
    [InlineData("gemv")]
    [InlineData("decode_digits")]
    [InlineData("decode_integer")]
    public void APlainLoadIsFound(string name)
    {
        byte[] code = ShaderLibrary.Load(name);
        int tried = 0;
        foreach ((int at, _, _) in SpirvModule.Instructions(code).Where(i => i.Code == OpAtomicLoad))
        {
            uint[] changed = MemoryMarshal.Cast<byte, uint>(code).ToArray();
            (changed[at], changed[at + 4], changed[at + 5]) = ((4 << 16) | OpLoad, 1 << 16, 1 << 16);
            Assert.True(Read(MemoryMarshal.AsBytes<uint>(changed).ToArray()).Faults > 0);
            tried++;
        }

        Assert.True(tried > 1);
    }

    // Atomic loads of buffers, and: atomics that are not relaxed or not of the device's scope, and other accesses to what atomics load and store.
    private static (int Loads, int Faults) Read(byte[] code)
    {
        const uint Constant = 43, TypePointer = 32, Chain = 65, InBoundsChain = 66, Store = 62, AtomicStore = 228, Buffer = 5349, Device = 1;
        Dictionary<uint, uint> pointees = [], constants = [], structures = [], bases = [];
        (int At, uint Code, uint[] Operands)[] body = [.. SpirvModule.Instructions(code)];
        foreach ((_, uint operation, uint[] words) in body)
        {
            if (operation == TypePointer && words[1] == Buffer)
            {
                pointees[words[0]] = words[2];
            }
            else if (operation == Constant)
            {
                constants[words[1]] = words[2];
            }
            else if (words.Length > 1 && pointees.TryGetValue(words[0], out uint pointee))
            {
                structures[words[1]] = pointee;
                if (operation is Chain or InBoundsChain)
                {
                    bases[words[1]] = words[2];
                }
            }
        }

        int loads = 0, faults = 0;
        HashSet<uint> passed = [];
        foreach ((_, uint operation, uint[] words) in body)
        {
            int pointer = operation == OpAtomicLoad ? 2 : 0;
            if (operation is OpAtomicLoad or AtomicStore && bases.TryGetValue(words[pointer], out uint of))
            {
                passed.Add(structures[of]);
                loads += operation == OpAtomicLoad ? 1 : 0;
                faults += constants[words[pointer + 1]] == Device && constants[words[pointer + 2]] == 0 ? 0 : 1;
            }
        }

        foreach ((_, uint operation, uint[] words) in body)
        {
            if (operation is OpLoad or Store && bases.TryGetValue(words[operation == OpLoad ? 2 : 0], out uint of) && passed.Contains(structures[of]))
            {
                faults++;
            }
        }

        return (loads, faults);
    }
}

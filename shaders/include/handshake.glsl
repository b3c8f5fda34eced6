// The handshake of workgroups that share outputs: each writes its part and arrives; the last to arrive reads all parts.
// Right by Vulkan's memory model alone; the proof is in shaders/README.md, "Memory order". What it asks of the shader: parts are
// written and read through `coherent` buffers or by atomics.
#ifndef HANDSHAKE_GLSL
#define HANDSHAKE_GLSL
#extension GL_EXT_buffer_reference : require
#extension GL_KHR_memory_scope_semantics : require
#include "buffer_barrier.glsl"

// Arrivals at each shared output, 0 between dispatches. Touched by atomics alone.
layout(buffer_reference, std430, buffer_reference_align = 4) coherent buffer ArrivalCounters { uint v[]; };

// A word of shared memory that is free during the handshake; a shader that has one to spare names it.
#ifndef ARRIVAL
#define ARRIVAL arrival
shared uint arrival;
#endif

// Whether this workgroup is the last of `workgroups` at a counter; then it sees what the others wrote before they arrived, and the
// counter is 0 again. For all invocations of a workgroup, in uniform control flow. One fence beyond the workgroup, two for the last.
bool arrivesLast(ArrivalCounters counters, uint at, uint workgroups)
{
    bufferBarrier();
    if (gl_LocalInvocationIndex == 0u)
    {
        memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsRelease);
        bool last = atomicAdd(counters.v[at], 1u) == workgroups - 1u;
        if (last)
        {
            memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsAcquire);
            atomicStore(counters.v[at], 0u, gl_ScopeDevice, 0, 0);
        }

        ARRIVAL = last ? 1 : 0;
    }

    bufferBarrier();
    return ARRIVAL == 1;
}

#endif

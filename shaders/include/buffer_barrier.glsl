// A barrier within a workgroup for memory that is not the workgroup's alone.
#ifndef BUFFER_BARRIER_GLSL
#define BUFFER_BARRIER_GLSL
#extension GL_KHR_memory_scope_semantics : require

// A barrier that also orders what the workgroup's invocations wrote to, and read from, coherent buffers.
void bufferBarrier()
{
    controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

#endif

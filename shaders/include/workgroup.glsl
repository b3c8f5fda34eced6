// Workgroup-wide reductions whose results do not depend on the subgroup size: exact operations only (max, integer add).
// The including shader has local_size_x = WORKGROUP, and subgroups are at least 4 wide on every device (workgroups of 1,024).
#ifndef WORKGROUP_GLSL
#define WORKGROUP_GLSL

shared vec2 reducedMaximum[256];
shared uvec3 reducedSum[256];

vec2 workgroupMaximum(vec2 v)
{
    v = subgroupMax(v);
    barrier();
    if (subgroupElect())
    {
        reducedMaximum[gl_SubgroupID] = v;
    }

    barrier();
    for (uint i = gl_SubgroupInvocationID; i < gl_NumSubgroups; i += gl_SubgroupSize)
    {
        v = max(v, reducedMaximum[i]);
    }

    return subgroupMax(v);
}

uvec3 workgroupAdd(uvec3 v)
{
    v = subgroupAdd(v);
    barrier();
    if (subgroupElect())
    {
        reducedSum[gl_SubgroupID] = v;
    }

    barrier();
    uvec3 sum = uvec3(0u);
    for (uint i = gl_SubgroupInvocationID; i < gl_NumSubgroups; i += gl_SubgroupSize)
    {
        sum += reducedSum[i];
    }

    return subgroupAdd(sum);
}

#endif

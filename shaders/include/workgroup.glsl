// Workgroup-wide reductions whose results do not depend on the subgroup size: exact operations only (max, integer add).
// The including shader has local_size_x = WORKGROUP, and subgroups are at least 4 wide on every device (workgroups of 1,024).
#ifndef WORKGROUP_GLSL
#define WORKGROUP_GLSL

shared float reducedMaximum[256];
shared uint reducedSum[256];

float workgroupMaximum(float v)
{
    v = subgroupMax(v);
    barrier();
    if (subgroupElect())
    {
        reducedMaximum[gl_SubgroupID] = v;
    }

    barrier();
    float m = reducedMaximum[0];
    for (uint i = 1u; i < gl_NumSubgroups; i++)
    {
        m = max(m, reducedMaximum[i]);
    }

    return m;
}

uint workgroupAdd(uint v)
{
    v = subgroupAdd(v);
    barrier();
    if (subgroupElect())
    {
        reducedSum[gl_SubgroupID] = v;
    }

    barrier();
    uint s = reducedSum[0];
    for (uint i = 1u; i < gl_NumSubgroups; i++)
    {
        s += reducedSum[i];
    }

    return s;
}

#endif

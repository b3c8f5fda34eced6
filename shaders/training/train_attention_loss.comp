#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define SUMS 1
#include "contract.glsl"
#include "buffers.glsl"

// KL(A_fp‖A_q) + KL(A_q‖A_fp) of a query, Σ (a − b)(ln a − ln b), and its gradient (Portable.Reference's AttentionLoss, PerRow).
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint WORKGROUP = 256;
#include "training.glsl"

const float FLOOR = 1e-6;

layout(push_constant) uniform Push
{
    InFloats student;       // [query × key]
    InFloats teacher;       // the lower triangle, row after row
    Floats gradient;        // [query × key]
    Floats rows;
    uint tokens;
    float weight;
};

// ln x of a positive normal number, as RowMath.Log has it.
float logarithm(float x)
{
    int bits = floatBitsToInt(x), exponent = (bits - 0x3F3504F3) >> 23;
    float m = intBitsToFloat(bits - (exponent << 23));
    precise float below = m - 1.0;
    precise float above = m + 1.0;
    precise float z = quotient(below, above);
    precise float square = z * z;
    precise float p;
    p = square * (1.0 / 9.0);
    p = (1.0 / 7.0) + p;
    p = square * p;
    p = (1.0 / 5.0) + p;
    p = square * p;
    p = (1.0 / 3.0) + p;
    p = square * p;
    p = 1.0 + p;
    precise float whole = float(exponent) * 0.69314718;
    precise float twice = z + z;
    precise float part = twice * p;
    precise float result = whole + part;
    return result;
}

void main()
{
    uint token = gl_WorkGroupID.x, count = token + 1u, row = token * tokens, triangle = token * (token + 1u) / 2u;
    beginSums();
    for (uint base = 0u; base < count; base += STAGE)
    {
        uint part = min(STAGE, count - base);
        for (uint j = gl_LocalInvocationIndex; j < part; j += WORKGROUP)
        {
            uint k = base + j;
            float raw = student.v[row + k], p = isFinite(raw) ? max(raw, FLOOR) : raw, q = max(teacher.v[triangle + k], FLOOR);
            float l = logarithm(quotient(p, q));
            precise float difference = p - q;
            precise float term = difference * l;
            stage[j] = isFinite(raw) ? term : raw;
            precise float one = l + 1.0;
            precise float slope = one - quotient(q, p);
            precise float weighted = weight * slope;
            gradient.v[row + k] = raw > FLOOR ? weighted : 0.0;
        }

        addStage(part);
    }

    endSums();
    for (uint k = count + gl_LocalInvocationIndex; k < tokens; k += WORKGROUP)
    {
        gradient.v[row + k] = 0.0;
    }

    if (gl_LocalInvocationIndex == 0u)
    {
        rows.v[token] = rowSum(0u);
    }
}

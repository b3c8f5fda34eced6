// Roofline of signed-byte cooperative matrices in registers.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint FM = 16;
layout(constant_id = 2) const uint FN = 16;
layout(constant_id = 3) const uint FK = 32;
layout(constant_id = 4) const uint CHAINS = 8; // independent sums per subgroup

layout(buffer_reference, std430, buffer_reference_align = 4) writeonly restrict buffer Words { uint v[]; };
layout(push_constant) uniform Arguments {
    Words sink;
    uint loops;
    uint seed;
} arg;

void main() {
    coopmat<int8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA> a = coopmat<int8_t, gl_ScopeSubgroup, FM, FK, gl_MatrixUseA>(int8_t(arg.seed));
    coopmat<int8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB> b = coopmat<int8_t, gl_ScopeSubgroup, FK, FN, gl_MatrixUseB>(int8_t(arg.seed));
    coopmat<int, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator> c[CHAINS];
    [[unroll]] for (uint i = 0; i < CHAINS; i++) {
        c[i] = coopmat<int, gl_ScopeSubgroup, FM, FN, gl_MatrixUseAccumulator>(int(i));
    }
    for (uint l = 0; l < arg.loops; l++) {
        [[unroll]] for (uint i = 0; i < CHAINS; i++) {
            c[i] = coopMatMulAdd(a, b, c[i]);
        }
    }
    int total = 0;
    [[unroll]] for (uint i = 0; i < CHAINS; i++) {
        [[unroll]] for (uint e = 0; e < c[i].length(); e++) {
            total ^= c[i][e];
        }
    }
    if (total == 0x1234567) {
        arg.sink.v[0] = uint(total);
    }
}

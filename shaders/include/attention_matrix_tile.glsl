// What attention of a tile with cooperative matrices is specialized for and given, and how a workgroup is cut into subgroups and matrices.
//
// SHALLOW: matrices 8 codes deep, loaded from vectors of 8 codes rather than 16.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_integer_dot_product : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#include "contract.glsl"
#include "buffers.glsl"
#include "rows.glsl"
#include "attention_shape.glsl"
#include "attention.glsl"

layout(constant_id = 7) const uint TILE_ROWS = 32;
layout(constant_id = 8) const uint SUBGROUP = 32;
layout(constant_id = 9) const uint FM = 16;             // matrix shape
layout(constant_id = 10) const uint FN = 16;
layout(constant_id = 11) const uint FK = 32;
layout(constant_id = 12) const uint ROW_GROUPS = 2;
layout(constant_id = 13) const bool LEAN = false;       // few registers: queries stay in shared memory, keys and values come as they are stored

layout(push_constant) uniform Push
{
    InRows rows;
    InTiles tiles;
    InWords queries;
    InVectors queryParameters;
    InWords keys;
    InWords values;
    InVectors parameters;
    Floats attended;
    AttentionShape shape;
};

#include "pages.glsl"

#ifdef SHALLOW
#define VECTOR uvec2
#define UNROLLED
const uint VECTOR_WORDS = 2u;
#else
#define VECTOR uvec4
#define UNROLLED [[unroll]]
const uint VECTOR_WORDS = 4u;
#endif

// Rows of codes in shared memory; one vector of padding spreads rows over the banks.
const uint VECTOR_CODES = VECTOR_WORDS * 4u;
const uint DEPTH_UNIT = FK > 16u ? FK : 16u;
const uint DEPTH = (HEAD_SIZE + DEPTH_UNIT - 1u) / DEPTH_UNIT * DEPTH_UNIT;     // components of a row of queries or keys, 0 past the head
const uint KEY_STRIDE = DEPTH / VECTOR_CODES + 1u;
const uint TOKEN_STRIDE = CHUNK / VECTOR_CODES + 1u;

const uint SUBGROUPS = WORKGROUP / SUBGROUP;
const uint COLUMN_GROUPS = SUBGROUPS / ROW_GROUPS;
const uint SUBGROUP_ROWS = TILE_ROWS / ROW_GROUPS;
const uint ROW_MATRICES = SUBGROUP_ROWS / FM;                                   // of a subgroup
const uint KEY_MATRICES = CHUNK / FN / COLUMN_GROUPS;
const uint DEPTH_STEPS = DEPTH / FK;
const uint TOKEN_STEPS = CHUNK / FK;
const uint QUERY_MATRICES = LEAN ? 1u : ROW_MATRICES * DEPTH_STEPS;             // of a subgroup, held

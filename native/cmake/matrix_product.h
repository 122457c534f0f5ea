#pragma once

// Products of small matrices of single precision, of any number of rows: ggml's (simd-gemm.h) takes rows that are left over one by
// one, each waiting for its own last sum. What a row gets does not depend on how many there are: each number is one sum over the
// depth from its beginning on, fused with the products.

#include <cstdint>

#include "ggml-impl.h"
#include "simd-mappings.h"
#include "unroll.h"
#include "vec.h"
#ifdef __ARM_NEON
#include <arm_neon.h>
#endif

namespace llama_native {

// Numbers that lie row by row, the beginnings of rows `distance` numbers apart.
struct matrix {
    float * data;
    int64_t distance;

    float * row(int64_t at) const { return data + at * distance; }
    matrix  from(int64_t row, int64_t column) const { return { data + row * distance + column, distance }; }
};

#if defined(__ARM_NEON) && defined(__ARM_FEATURE_FMA)
// Also where ggml takes SVE: of its vectors the compiler does not know the size, and makes no arrays.
using vector = float32x4_t;
constexpr int64_t vector_width = 4;
static inline vector load_vector(const float * from) { return vld1q_f32(from); }
static inline void   store_vector(float * to, vector numbers) { vst1q_f32(to, numbers); }
static inline vector repeated_vector(float number) { return vdupq_n_f32(number); }
static inline vector multiply_add(vector sum, vector a, vector b) { return vfmaq_f32(sum, a, b); }
#define LLAMA_NATIVE_HAS_VECTORS
#elif defined(GGML_SIMD) && !defined(__riscv_v_intrinsic)
using vector = GGML_F32_VEC;
constexpr int64_t vector_width = GGML_F32_EPR;
static inline vector load_vector(const float * from) { return GGML_F32_VEC_LOAD(from); }
static inline void   store_vector(float * to, vector numbers) { GGML_F32_VEC_STORE(to, numbers); }
static inline vector repeated_vector(float number) { return GGML_F32_VEC_SET1(number); }
static inline vector multiply_add(vector sum, vector a, vector b) { return GGML_F32_VEC_FMA(sum, a, b); }
#define LLAMA_NATIVE_HAS_VECTORS
#endif

#ifdef LLAMA_NATIVE_HAS_VECTORS

// Rows that share a pass over the other matrix, and vectors of its width that a pass takes: their sums, one such vector and a
// number of each row fill the registers.
constexpr int64_t rows_in_pass = 6;
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int vectors_in_pass(int rows) { return rows <= 3 ? 8 : 4; }
#else
constexpr int vectors_in_pass(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }
#endif

template <int rows, int vectors>
static inline void add_columns(matrix sums, matrix a, matrix b, int64_t depth) {
    vector sum[rows][vectors];
    LLAMA_NATIVE_UNROLL for (int row = 0; row < rows; row++) {
        LLAMA_NATIVE_UNROLL for (int i = 0; i < vectors; i++) sum[row][i] = load_vector(sums.row(row) + i * vector_width);
    }
    for (int64_t at = 0; at < depth; at++) {
        const float * part = b.row(at);
        // The fewer of both stay in registers.
        if constexpr (vectors < rows) {
            vector parts[vectors];
            LLAMA_NATIVE_UNROLL for (int i = 0; i < vectors; i++) parts[i] = load_vector(part + i * vector_width);
            LLAMA_NATIVE_UNROLL for (int row = 0; row < rows; row++) {
                const vector factor = repeated_vector(a.row(row)[at]);
                LLAMA_NATIVE_UNROLL for (int i = 0; i < vectors; i++) sum[row][i] = multiply_add(sum[row][i], parts[i], factor);
            }
        } else {
            vector factors[rows];
            LLAMA_NATIVE_UNROLL for (int row = 0; row < rows; row++) factors[row] = repeated_vector(a.row(row)[at]);
            LLAMA_NATIVE_UNROLL for (int i = 0; i < vectors; i++) {
                const vector loaded = load_vector(part + i * vector_width);
                LLAMA_NATIVE_UNROLL for (int row = 0; row < rows; row++) sum[row][i] = multiply_add(sum[row][i], loaded, factors[row]);
            }
        }
    }
    LLAMA_NATIVE_UNROLL for (int row = 0; row < rows; row++) {
        LLAMA_NATIVE_UNROLL for (int i = 0; i < vectors; i++) store_vector(sums.row(row) + i * vector_width, sum[row][i]);
    }
}

// Of `rows` rows the columns from `column` on.
template <int rows, int vectors>
static inline void add_rows(matrix sums, matrix a, matrix b, int64_t depth, int64_t width, int64_t column) {
    constexpr int64_t step = vectors * vector_width;
    for (; column + step <= width; column += step) add_columns<rows, vectors>(sums.from(0, column), a, b.from(0, column), depth);
    if constexpr (vectors > 1) {
        add_rows<rows, vectors / 2>(sums, a, b, depth, width, column);
    } else {
        for (; column < width; column++) {
            for (int row = 0; row < rows; row++) {
                float sum = sums.row(row)[column];
                for (int64_t at = 0; at < depth; at++) sum += a.row(row)[at] * b.row(at)[column];
                sums.row(row)[column] = sum;
            }
        }
    }
}

template <int rows>
static inline void add_rows(int64_t count, matrix sums, matrix a, matrix b, int64_t depth, int64_t width) {
    if (count == rows) return add_rows<rows, vectors_in_pass(rows)>(sums, a, b, depth, width, 0);
    if constexpr (rows > 1) add_rows<rows - 1>(count, sums, a, b, depth, width);
}

// sums[rows x width] += a[rows x depth] * b[depth x width]
static inline void add_product(matrix sums, matrix a, matrix b, int64_t rows, int64_t depth, int64_t width) {
    for (int64_t row = 0; row < rows;) {
        const int64_t left = rows - row, passes = (left + rows_in_pass - 1) / rows_in_pass, count = (left + passes - 1) / passes;
        add_rows<rows_in_pass>(count, sums.from(row, 0), a.from(row, 0), b, depth, width);
        row += count;
    }
}

#else

static inline void add_product(matrix sums, matrix a, matrix b, int64_t rows, int64_t depth, int64_t width) {
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t at = 0; at < depth; at++) ggml_vec_mad_f32((int) width, sums.row(row), b.row(at), a.row(row)[at]);
    }
}

#endif

}  // namespace llama_native

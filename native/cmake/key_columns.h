#pragma once

// Keys of single or half precision as the columns of a matrix, so that scores of queries are a matrix product.

#include <cstdint>

#include "common.h"
#include "ggml-impl.h"
#ifdef __AVX__
#include <immintrin.h>
#endif

namespace llama_native {

// Cells that are attended to at a time, at most; the columns of the matrix.
constexpr int64_t tile_cells = GGML_FA_TILE_KV;

static inline float to_single(float number) { return number; }
// A number of half precision.
static inline float to_single(uint16_t number) { return GGML_FP16_TO_FP32(number); }

#ifdef __AVX__
static inline __m256 load_eight(const float * from) { return _mm256_loadu_ps(from); }
#ifdef __F16C__
static inline __m256 load_eight(const uint16_t * from) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) from)); }
#endif

// Turns eight numbers of each of eight rows into as many columns.
template <class Number> static inline void turn_eight(const Number * const * rows, int64_t at, float * columns) {
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = load_eight(rows[i] + at);
    for (int i = 0; i < 4; i++) {
        t[2 * i]     = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i]     = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(columns + i * tile_cells, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(columns + (i + 4) * tile_cells, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#endif

// Turns eight keys of `length` numbers into columns.
template <class Number> static inline void turn_keys(const Number * const * keys, int64_t length, float * columns) {
    int64_t at = 0;
#ifdef __AVX__
    for (; at + 8 <= length; at += 8) turn_eight(keys, at, columns + at * tile_cells);
#endif
    for (; at < length; at++) {
        for (int i = 0; i < 8; i++) columns[at * tile_cells + i] = to_single(keys[i][at]);
    }
}

}  // namespace llama_native

// Vectors of weights of several rows, for the products of k_quants.h and legacy_quants.h: x86 with AVX2, or AVX-512.
//
// Weights are repacked so that chunks of eight bytes, one of each of eight rows, follow each other. A vector holds such chunks
// of 8 (AVX-512) or 4 rows (AVX2); multiplied with the same eight activations in all of them it gives four sums of two products
// (16 bits) per row, and these added up two sums (32 bits).

#pragma once

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"
#include "unroll.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX2__)
#include <immintrin.h>

namespace llama_native {

// `rows_in_vector` rows' eight bytes each are in a vector. `most_tokens` share a pass over one vector of rows: their sums and a
// chunk of the weights fill the registers.
#if defined(__AVX512F__) && defined(__AVX512BW__)

constexpr int rows_in_vector = 8;
constexpr int most_tokens    = 16;
using vec    = __m512i;
using floats = __m512;

static inline vec load(const void * from) { return _mm512_loadu_si512(from); }
static inline vec repeat(const void * from) {
    int64_t eight;
    std::memcpy(&eight, from, sizeof eight);
    return _mm512_set1_epi64(eight);
}
static inline vec    bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
static inline vec    words(int value) { return _mm512_set1_epi16(static_cast<short>(value)); }
static inline vec    zero() { return _mm512_setzero_si512(); }
static inline vec    both(vec a, vec b) { return _mm512_and_si512(a, b); }
static inline vec    either(vec a, vec b) { return _mm512_or_si512(a, b); }
template <int bits> static inline vec left(vec a) { return _mm512_slli_epi16(a, bits); }
template <int bits> static inline vec right(vec a) { return _mm512_srli_epi16(a, bits); }
template <int bits> static inline vec left64(vec a) { return _mm512_slli_epi64(a, bits); }
static inline vec    repeat64(uint64_t value) { return _mm512_set1_epi64(static_cast<int64_t>(value)); }
static inline vec    low16() { return _mm512_set1_epi64(0xffff); }
static inline vec    negative(vec a) { return _mm512_sub_epi32(zero(), a); }
static inline vec    products(vec weights, vec activations) { return _mm512_maddubs_epi16(weights, activations); }
static inline vec    add16(vec a, vec b) { return _mm512_add_epi16(a, b); }
static inline vec    add32(vec a, vec b) { return _mm512_add_epi32(a, b); }
static inline vec    pair_sums(vec a) { return _mm512_madd_epi16(a, words(1)); }
static inline vec    lookup(__m128i table, vec places) { return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), places); }
static inline vec    shuffle(vec a, __m128i order) { return _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(order)); }
static inline vec    unsigned_rows(const uint8_t * from) { return _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *) from)); }
static inline vec    signed_rows(const int8_t * from) { return _mm512_cvtepi8_epi64(_mm_loadl_epi64((const __m128i *) from)); }
static inline vec    multiply_add(vec sum, vec a, vec b) {
#if defined(__AVX512VNNI__)
    return _mm512_dpwssd_epi32(sum, a, b);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
}
#if defined(__AVX512VNNI__)
// Four products each, unsigned by signed, in 32 bits.
static inline vec    add_products(vec sum, vec weights, vec activations) { return _mm512_dpbusd_epi32(sum, weights, activations); }
static inline vec    toggled(vec a, vec bits) { return _mm512_xor_si512(a, bits); }
static inline vec    integers(int32_t value) { return _mm512_set1_epi32(value); }
#endif
static inline vec    absolute(vec a) { return _mm512_abs_epi8(a); }
static inline vec    with_sign_of(vec signs, vec a) { return _mm512_mask_sub_epi8(a, _mm512_movepi8_mask(signs), zero(), a); }
// `value` in the bytes that share a bit with `bits`.
static inline vec    where_set(vec a, vec bits, char value) { return _mm512_maskz_set1_epi8(_mm512_test_epi8_mask(a, bits), value); }
static inline floats no_floats() { return _mm512_setzero_ps(); }
static inline floats converted(vec whole) { return _mm512_cvtepi32_ps(whole); }
static inline floats multiplied_add(floats sum, floats a, floats b) { return _mm512_fmadd_ps(a, b, sum); }
static inline floats repeated(float value) { return _mm512_set1_ps(value); }
static inline floats times(floats a, floats b) { return _mm512_mul_ps(a, b); }
static inline floats times(floats a, float b) { return times(a, repeated(b)); }
static inline floats add_scaled(floats sum, vec whole, floats scale) { return multiplied_add(sum, converted(whole), scale); }
static inline floats take_scaled(floats sum, vec whole, floats scale) { return _mm512_fnmadd_ps(_mm512_cvtepi32_ps(whole), scale, sum); }
// Half-precision numbers of the rows, each twice.
static inline floats half_rows(const ggml_half * from) {
    const __m512 rows = _mm512_castps256_ps512(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) from)));
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), rows);
}
static inline void store_rows(float * to, floats sums) {
    const __m256 pairs = _mm256_hadd_ps(_mm512_castps512_ps256(sums), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums), 1)));
    _mm256_storeu_pd((double *) to, _mm256_permute4x64_pd(_mm256_castps_pd(pairs), 0xd8));
}

#else

constexpr int rows_in_vector = 4;
constexpr int most_tokens    = 8;
using vec    = __m256i;
using floats = __m256;

static inline vec load(const void * from) { return _mm256_loadu_si256((const __m256i *) from); }
static inline vec repeat(const void * from) {
    int64_t eight;
    std::memcpy(&eight, from, sizeof eight);
    return _mm256_set1_epi64x(eight);
}
static inline vec    bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
static inline vec    words(int value) { return _mm256_set1_epi16(static_cast<short>(value)); }
static inline vec    zero() { return _mm256_setzero_si256(); }
static inline vec    both(vec a, vec b) { return _mm256_and_si256(a, b); }
static inline vec    either(vec a, vec b) { return _mm256_or_si256(a, b); }
template <int bits> static inline vec left(vec a) { return _mm256_slli_epi16(a, bits); }
template <int bits> static inline vec right(vec a) { return _mm256_srli_epi16(a, bits); }
template <int bits> static inline vec left64(vec a) { return _mm256_slli_epi64(a, bits); }
static inline vec    repeat64(uint64_t value) { return _mm256_set1_epi64x(static_cast<int64_t>(value)); }
static inline vec    low16() { return _mm256_set1_epi64x(0xffff); }
static inline vec    negative(vec a) { return _mm256_sub_epi32(zero(), a); }
static inline vec    products(vec weights, vec activations) { return _mm256_maddubs_epi16(weights, activations); }
static inline vec    add16(vec a, vec b) { return _mm256_add_epi16(a, b); }
static inline vec    add32(vec a, vec b) { return _mm256_add_epi32(a, b); }
static inline vec    pair_sums(vec a) { return _mm256_madd_epi16(a, words(1)); }
static inline vec    lookup(__m128i table, vec places) { return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), places); }
static inline vec    shuffle(vec a, __m128i order) { return _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order)); }
static inline __m128i four_bytes(const void * from) {
    int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm_cvtsi32_si128(four);
}
static inline vec    unsigned_rows(const uint8_t * from) { return _mm256_cvtepu8_epi64(four_bytes(from)); }
static inline vec    signed_rows(const int8_t * from) { return _mm256_cvtepi8_epi64(four_bytes(from)); }
static inline vec    multiply_add(vec sum, vec a, vec b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
static inline vec    absolute(vec a) { return _mm256_abs_epi8(a); }
static inline vec    with_sign_of(vec signs, vec a) { return _mm256_sign_epi8(a, signs); }
static inline vec    where_set(vec a, vec bits, char value) {
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(a, bits), bits), _mm256_set1_epi8(value));
}
static inline floats no_floats() { return _mm256_setzero_ps(); }
static inline floats converted(vec whole) { return _mm256_cvtepi32_ps(whole); }
static inline floats multiplied_add(floats sum, floats a, floats b) { return _mm256_fmadd_ps(a, b, sum); }
static inline floats repeated(float value) { return _mm256_set1_ps(value); }
static inline floats times(floats a, floats b) { return _mm256_mul_ps(a, b); }
static inline floats times(floats a, float b) { return times(a, repeated(b)); }
static inline floats add_scaled(floats sum, vec whole, floats scale) { return multiplied_add(sum, converted(whole), scale); }
static inline floats take_scaled(floats sum, vec whole, floats scale) { return _mm256_fnmadd_ps(_mm256_cvtepi32_ps(whole), scale, sum); }
static inline floats half_rows(const ggml_half * from) {
    const __m256 rows = _mm256_castps128_ps256(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *) from)));
    return _mm256_permutevar8x32_ps(rows, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
static inline void store_rows(float * to, floats sums) {
    _mm_storeu_ps(to, _mm_hadd_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
}

#endif

// The low 16 bits of each row's 64, four times.
static inline vec spread(vec rows) { return shuffle(rows, _mm_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9)); }

template <int tokens> using count = std::integral_constant<int, tokens>;

// Fetches the block after the next. The processor does not see it coming, as a block's parts are not read in their order.
template <class Weights> static inline void fetch_ahead(const Weights * block) {
    const char * ahead = reinterpret_cast<const char *>(block + 4);
    for (size_t at = 0; at < sizeof(Weights); at += 64) _mm_prefetch(ahead + at, _MM_HINT_T0);
}

} // namespace llama_native

#endif

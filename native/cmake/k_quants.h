// Products of weights of types Q4_K and Q6_K, repacked eight rows at a time, with activations of eight bits: x86 with AVX2.
//
// ggml has these as well (Q6_K on ARM only); here one kernel takes one to sixteen tokens (to four with AVX2), so that
//   - weights are unpacked once for all of them, also for the two or three tokens that are left over of a batch,
//   - a token's sum does not depend, to the bit, on how many others it is computed with: it is a sum of integers in each block
//     of 256, and those are added up block by block.
//
// The layout is ggml's: chunks of eight bytes, one of each of eight rows, follow each other. A vector holds such chunks of 8
// (AVX-512) or 4 rows (AVX2); multiplied with the same eight activations in all of them it gives four sums of two products
// (16 bits) per row, and these with the row's scale two sums (32 bits).

#pragma once

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"
#include "repack.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX2__)
#include <immintrin.h>

#if defined(__GNUC__)
#define LLAMA_NATIVE_UNROLL _Pragma("GCC unroll 16")
#else
#define LLAMA_NATIVE_UNROLL
#endif

namespace llama_native {

#if defined(__AVX512F__) && defined(__AVX512BW__)

constexpr int rows_in_vector = 8;
// Tokens that one pass over the weights takes: their sums and the weights fill the registers.
constexpr int most_tokens = 16;
using vec    = __m512i;
using floats = __m512;

static inline vec load(const void * from) { return _mm512_loadu_si512(from); }
static inline vec repeat(const void * from) {
    int64_t eight;
    std::memcpy(&eight, from, sizeof eight);
    return _mm512_set1_epi64(eight);
}
static inline vec    bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
static inline vec    zero() { return _mm512_setzero_si512(); }
static inline vec    both(vec a, vec b) { return _mm512_and_si512(a, b); }
static inline vec    either(vec a, vec b) { return _mm512_or_si512(a, b); }
template <int bits> static inline vec left(vec a) { return _mm512_slli_epi16(a, bits); }
template <int bits> static inline vec right(vec a) { return _mm512_srli_epi16(a, bits); }
template <int bits> static inline vec left64(vec a) { return _mm512_slli_epi64(a, bits); }
static inline vec    low16() { return _mm512_set1_epi64(0xffff); }
static inline vec    negative(vec a) { return _mm512_sub_epi32(zero(), a); }
static inline vec    products(vec weights, vec activations) { return _mm512_maddubs_epi16(weights, activations); }
static inline vec    add16(vec a, vec b) { return _mm512_add_epi16(a, b); }
static inline vec    add32(vec a, vec b) { return _mm512_add_epi32(a, b); }
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
static inline floats no_floats() { return _mm512_setzero_ps(); }
static inline floats times(floats a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }
static inline floats add_scaled(floats sum, vec whole, floats scale) { return _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, sum); }
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
constexpr int most_tokens    = 4;
using vec    = __m256i;
using floats = __m256;

static inline vec load(const void * from) { return _mm256_loadu_si256((const __m256i *) from); }
static inline vec repeat(const void * from) {
    int64_t eight;
    std::memcpy(&eight, from, sizeof eight);
    return _mm256_set1_epi64x(eight);
}
static inline vec    bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
static inline vec    zero() { return _mm256_setzero_si256(); }
static inline vec    both(vec a, vec b) { return _mm256_and_si256(a, b); }
static inline vec    either(vec a, vec b) { return _mm256_or_si256(a, b); }
template <int bits> static inline vec left(vec a) { return _mm256_slli_epi16(a, bits); }
template <int bits> static inline vec right(vec a) { return _mm256_srli_epi16(a, bits); }
template <int bits> static inline vec left64(vec a) { return _mm256_slli_epi64(a, bits); }
static inline vec    low16() { return _mm256_set1_epi64x(0xffff); }
static inline vec    negative(vec a) { return _mm256_sub_epi32(zero(), a); }
static inline vec    products(vec weights, vec activations) { return _mm256_maddubs_epi16(weights, activations); }
static inline vec    add16(vec a, vec b) { return _mm256_add_epi16(a, b); }
static inline vec    add32(vec a, vec b) { return _mm256_add_epi32(a, b); }
static inline vec    shuffle(vec a, __m128i order) { return _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order)); }
static inline __m128i four_bytes(const void * from) {
    int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm_cvtsi32_si128(four);
}
static inline vec    unsigned_rows(const uint8_t * from) { return _mm256_cvtepu8_epi64(four_bytes(from)); }
static inline vec    signed_rows(const int8_t * from) { return _mm256_cvtepi8_epi64(four_bytes(from)); }
static inline vec    multiply_add(vec sum, vec a, vec b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
static inline floats no_floats() { return _mm256_setzero_ps(); }
static inline floats times(floats a, float b) { return _mm256_mul_ps(a, _mm256_set1_ps(b)); }
static inline floats add_scaled(floats sum, vec whole, floats scale) { return _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sum); }
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

// Sums that a block's is made of, so that with few tokens one addition need not wait for the one before.
template <int T> constexpr int chains = T <= 4 ? 2 : 1;

// 32 times four numbers of each row, one after the other.
static inline vec thirty_two_times(vec a, vec b, vec c, vec d) {
    const vec low_half  = either(both(a, low16()), left64<16>(both(b, low16())));
    const vec high_half = either(left64<32>(both(c, low16())), left64<48>(d));
    return left<5>(either(low_half, high_half));
}

// Fetches the block after the next. The processor does not see it coming, as a block's parts are not read in their order.
template <class Weights> static inline void fetch_ahead(const Weights * block) {
    const char * ahead = reinterpret_cast<const char *>(block + 4);
    for (size_t at = 0; at < sizeof(Weights); at += 64) _mm_prefetch(ahead + at, _MM_HINT_T0);
}

// Activations of T tokens: `nb` blocks of 256 each. `values(t, block, at)` are eight of them, from the one numbered `at`;
// `sums(t, block, quarter)` are the four sums of sixteen of a quarter of the block.

// Four tokens in each other, as ggml_quantize_mat_q8_K_4x8 lays them.
template <int T> struct interleaved_tokens {
    const block_q8_Kx4 * first;
    int                  nb;

    const block_q8_Kx4 & at(int t, int block) const { return first[(t / 4) * nb + block]; }
    const int8_t *       values(int t, int block, int from) const { return at(t, block).qs + from * 4 + (t % 4) * 8; }
    const int16_t *      sums(int t, int block, int quarter) const { return at(t, block).bsums + quarter * 16 + (t % 4) * 4; }
    float                scale(int t, int block) const { return at(t, block).d[t % 4]; }
};

template <int T> struct separate_tokens {
    const block_q8_K * first;
    int                nb;

    const block_q8_K & at(int t, int block) const { return first[t * nb + block]; }
    const int8_t *     values(int t, int block, int from) const { return at(t, block).qs + from; }
    const int16_t *    sums(int t, int block, int quarter) const { return at(t, block).bsums + quarter * 4; }
    float              scale(int t, int block) const { return at(t, block).d; }
};

// Of each sub-block of 32 the scales and the minimums of the eight rows, which lie in twelve bytes.
static inline void unpack_scales(const uint8_t * packed, uint64_t & scales, uint64_t & minimums) {
    uint32_t s, m, rest;
    std::memcpy(&s, packed, 4);
    std::memcpy(&m, packed + 4, 4);
    std::memcpy(&rest, packed + 8, 4);
    const uint32_t high_s = (rest & 0x0f0f0f0f) | ((s >> 2) & 0x30303030);
    const uint32_t high_m = ((rest >> 4) & 0x0f0f0f0f) | ((m >> 2) & 0x30303030);
    scales                = (s & 0x3f3f3f3f) | (static_cast<uint64_t>(high_s) << 32);
    minimums              = (m & 0x3f3f3f3f) | (static_cast<uint64_t>(high_m) << 32);
}

// The products of V vectors of rows, from `row` on, with T tokens; out[t * stride] are a token's.
template <int T, int V, class Tokens>
static inline void multiply(const block_q4_Kx8 * weights, const Tokens & tokens, int row, float * out, size_t stride) {
    const vec nibble = bytes(0x0f);
    // A row's minimums of two sub-blocks, each for two sums of sixteen.
    const __m128i two_and_two = _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13);
    floats totals[V][T];
    LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[v][t] = no_floats();
    }
    for (int block = 0; block < tokens.nb; block++) {
        const block_q4_Kx8 & w = weights[block];
        if (row == 0) fetch_ahead(&w);
        vec sum[V][T][chains<T>], minimum[V][T];
        LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
                for (vec & chain : sum[v][t]) chain = zero();
                minimum[v][t] = zero();
            }
        }
        for (int quarter = 0; quarter < 4; quarter++) {
            uint64_t scales[2], minimums[2];
            unpack_scales(w.scales + quarter * 24, scales[0], minimums[0]);
            unpack_scales(w.scales + quarter * 24 + 12, scales[1], minimums[1]);
            LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
                const int       from_row = row + v * rows_in_vector;
                const uint8_t * s = reinterpret_cast<const uint8_t *>(scales) + from_row;
                const uint8_t * m = reinterpret_cast<const uint8_t *>(minimums) + from_row;
                const vec scale_low  = spread(unsigned_rows(s));
                const vec scale_high = spread(unsigned_rows(s + 8));
                const vec offset     = shuffle(either(unsigned_rows(m), left64<32>(unsigned_rows(m + 8))), two_and_two);
                vec low[4], high[4];
                LLAMA_NATIVE_UNROLL for (int i = 0; i < 4; i++) {
                    const vec packed = load(w.qs + (quarter * 4 + i) * 64 + from_row * 8);
                    low[i]           = both(packed, nibble);
                    high[i]          = both(right<4>(packed), nibble);
                }
                LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
                    const auto dot = [&](const vec (&q)[4], int from) {
                        const vec a = add16(products(q[0], repeat(tokens.values(t, block, from))), products(q[1], repeat(tokens.values(t, block, from + 8))));
                        const vec b = add16(products(q[2], repeat(tokens.values(t, block, from + 16))), products(q[3], repeat(tokens.values(t, block, from + 24))));
                        return add16(a, b);
                    };
                    vec & first = sum[v][t][0], & last = sum[v][t][chains<T> - 1];
                    first         = multiply_add(first, dot(low, quarter * 64), scale_low);
                    last          = multiply_add(last, dot(high, quarter * 64 + 32), scale_high);
                    minimum[v][t] = multiply_add(minimum[v][t], offset, repeat(tokens.sums(t, block, quarter)));
                }
            }
        }
        LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
            const floats d = half_rows(w.d + row + v * rows_in_vector), dmin = half_rows(w.dmin + row + v * rows_in_vector);
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
                const float scale = tokens.scale(t, block);
                const vec   all   = chains<T> == 1 ? sum[v][t][0] : add32(sum[v][t][0], sum[v][t][chains<T> - 1]);
                totals[v][t]      = add_scaled(totals[v][t], all, times(d, scale));
                totals[v][t]      = take_scaled(totals[v][t], minimum[v][t], times(dmin, scale));
            }
        }
    }
    LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) store_rows(out + t * stride + row + v * rows_in_vector, totals[v][t]);
    }
}

template <int T, int V, class Tokens>
static inline void multiply(const block_q6_Kx8 * weights, const Tokens & tokens, int row, float * out, size_t stride) {
    static_assert(V == 1, "their scales need no unpacking");
    const vec nibble = bytes(0x0f), upper_bits = bytes(0x30);
    floats totals[T];
    LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[t] = no_floats();
    for (int block = 0; block < tokens.nb; block++) {
        const block_q6_Kx8 & w = weights[block];
        if (row == 0) fetch_ahead(&w);
        vec sum[T][chains<T>];
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
            for (vec & chain : sum[t]) chain = zero();
        }

        // Bits 4 and 5 of weights are stored without the 32 that is to be taken off: so its multiple of the activations is.
        for (int quarter = 0; quarter < 4; quarter++) {
            const int8_t * s      = w.scales + quarter * 32 + row;
            const vec      offset = thirty_two_times(signed_rows(s), signed_rows(s + 8), signed_rows(s + 16), signed_rows(s + 24));
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) sum[t][0] = multiply_add(sum[t][0], offset, repeat(tokens.sums(t, block, quarter)));
        }
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) sum[t][0] = negative(sum[t][0]);

        // Two chunks: sixteen weights in the low nibbles, and sixteen in the high ones that are 64 further on. The upper bits
        // of chunks 0 to 3 of a half lie in bits 0, 1 and 4, 5 of their bytes, those of 4 to 7 in bits 2, 3 and 6, 7.
        const auto two_chunks = [&](int half, int pair, auto second) {
            const uint8_t * ql = w.ql + (half * 8 + pair * 2) * 64 + row * 8;
            const uint8_t * qh = w.qh + (half * 4 + (pair % 2) * 2) * 64 + row * 8;
            vec low[2], high[2];
            LLAMA_NATIVE_UNROLL for (int i = 0; i < 2; i++) {
                const vec l = load(ql + i * 64), h = load(qh + i * 64);
                vec       low_bits, high_bits;
                if constexpr (second.value) {
                    low_bits  = left<2>(h);
                    high_bits = right<2>(h);
                } else {
                    low_bits  = left<4>(h);
                    high_bits = h;
                }
                low[i]  = either(both(l, nibble), both(low_bits, upper_bits));
                high[i] = either(both(right<4>(l), nibble), both(high_bits, upper_bits));
            }
            const vec scale_low  = spread(signed_rows(w.scales + (half * 8 + pair) * 8 + row));
            const vec scale_high = spread(signed_rows(w.scales + (half * 8 + 4 + pair) * 8 + row));
            const int from       = half * 128 + pair * 16;
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
                const auto dot = [&](const vec (&q)[2], int at) {
                    return add16(products(q[0], repeat(tokens.values(t, block, at))), products(q[1], repeat(tokens.values(t, block, at + 8))));
                };
                vec & last = sum[t][chains<T> - 1];
                sum[t][0]  = multiply_add(sum[t][0], dot(low, from), scale_low);
                last       = multiply_add(last, dot(high, from + 64), scale_high);
            }
        };
        for (int half = 0; half < 2; half++) {
            for (int pair = 0; pair < 2; pair++) two_chunks(half, pair, std::false_type());
            for (int pair = 2; pair < 4; pair++) two_chunks(half, pair, std::true_type());
        }

        const floats d = half_rows(w.d + row);
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
            const vec all = chains<T> == 1 ? sum[t][0] : add32(sum[t][0], sum[t][chains<T> - 1]);
            totals[t]     = add_scaled(totals[t], all, times(d, tokens.scale(t, block)));
        }
    }
    LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) store_rows(out + t * stride + row, totals[t]);
}

template <int T, class Weights, class Tokens>
static inline void multiply_eight_rows(const Weights * weights, const Tokens & tokens, float * out, size_t stride) {
    // One token's sums leave registers for all eight rows, which then share the unpacking of Q4_K's scales.
    constexpr int V = T == 1 && std::is_same_v<Weights, block_q4_Kx8> ? 8 / rows_in_vector : 1;
    for (int row = 0; row < 8; row += V * rows_in_vector) multiply<T, V>(weights, tokens, row, out, stride);
}

// `rows` rows of `n` weights times tokens in groups of four; what ggml calls gemm. out[token * stride + row].
template <class Weights>
static void multiply_interleaved(int n, float * out, size_t stride, const Weights * weights, const block_q8_Kx4 * activations, int tokens, int rows) {
    const int nb = n / QK_K;
    for (int row = 0; row < rows; row += 8, weights += nb) {
        int token = 0;
        const auto take = [&](auto count) {
            constexpr int T = decltype(count)::value;
            for (; token + T <= tokens; token += T) {
                const interleaved_tokens<T> group = { activations + token / 4 * nb, nb };
                multiply_eight_rows<T>(weights, group, out + token * stride + row, stride);
            }
        };
        if constexpr (most_tokens >= 16) take(std::integral_constant<int, 16>());
        if constexpr (most_tokens >= 8) take(std::integral_constant<int, 8>());
        take(std::integral_constant<int, 4>());
    }
}

// The same with one to three tokens, each for itself.
template <class Weights>
static void multiply_separate(int n, float * out, size_t stride, const Weights * weights, const block_q8_K * activations, int tokens, int rows) {
    const int nb = n / QK_K;
    for (int row = 0; row < rows; row += 8, weights += nb) {
        switch (tokens) {
            case 1: multiply_eight_rows<1>(weights, separate_tokens<1>{ activations, nb }, out + row, stride); break;
            case 2: multiply_eight_rows<2>(weights, separate_tokens<2>{ activations, nb }, out + row, stride); break;
            case 3: multiply_eight_rows<3>(weights, separate_tokens<3>{ activations, nb }, out + row, stride); break;
        }
    }
}

// The repacked form of a type of block, where these kernels know it.
template <class Block> struct repacked { using type = void; };
template <> struct repacked<block_q4_K> { using type = block_q4_Kx8; };
template <> struct repacked<block_q6_K> { using type = block_q6_Kx8; };

} // namespace llama_native

#endif

namespace llama_native {

// What ggml's repack.cpp asks in place of its own kernels, which it uses where the answer is false, or 0 tokens done.

template <class Block> static inline bool gemm(int n, float * s, size_t bs, const void * vx, const void * vy, int nr, int nc) {
#if defined(__AVX2__)
    using weights = typename repacked<Block>::type;
    if constexpr (!std::is_void_v<weights>) {
        multiply_interleaved(n, s, bs, static_cast<const weights *>(vx), static_cast<const block_q8_Kx4 *>(vy), nr, nc);
        return true;
    }
#endif
    (void) n, (void) s, (void) bs, (void) vx, (void) vy, (void) nr, (void) nc;
    return false;
}

template <class Block, int interleaved, int rows> static inline int gemv(int n, float * s, size_t bs, const void * vx, const void * vy, int nr, int nc) {
#if defined(__AVX2__)
    using weights = typename repacked<Block>::type;
    if constexpr (!std::is_void_v<weights> && interleaved == 8 && rows == 8) {
        if (nr > 0) multiply_separate(n, s, bs, static_cast<const weights *>(vx), static_cast<const block_q8_K *>(vy), nr, nc);
        return nr;
    }
#endif
    (void) n, (void) s, (void) bs, (void) vx, (void) vy, (void) nr, (void) nc;
    return 0;
}

} // namespace llama_native

// Products of weights of the types that have a scale for each 32 (Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL), repacked eight
// rows at a time, with activations of eight bits: x86 with AVX2.
//
// Of these ggml repacks Q4_0 and IQ4_NL there; the others it multiplies one row and one token at a time, so that a prompt
// takes as long as its tokens would one by one. Here one kernel takes any number of tokens, with the same sums, to the bit,
// for each: of integers in each block of 32, and those are added up block by block.

#pragma once

#include "row_vectors.h"

#if defined(__AVX2__)

namespace llama_native {

// 32 activations of a token.
struct eight_bit_block {
    float   scale;
    float   half_sum;     // of what they stand for; half, as the two sums of each row get it
    int32_t unsigned_sum; // what weights that are made unsigned by 128 have too much, negative, in each of those two
    int8_t  values[32];
};

static inline void quantize(const float * from, eight_bit_block & to) {
    __m256 values[4], greatest = _mm256_setzero_ps();
    for (int i = 0; i < 4; i++) {
        values[i] = _mm256_loadu_ps(from + i * 8);
        greatest  = _mm256_max_ps(greatest, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), values[i]));
    }
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(greatest), _mm256_extractf128_ps(greatest, 1));
    most        = _mm_max_ps(most, _mm_movehl_ps(most, most));
    most        = _mm_max_ss(most, _mm_movehdup_ps(most));
    to.scale    = _mm_cvtss_f32(most) / 127;

    const __m256 inverse = _mm256_set1_ps(to.scale > 0 ? 127 / _mm_cvtss_f32(most) : 0);
    __m256i whole[4], sum = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        whole[i] = _mm256_cvtps_epi32(_mm256_mul_ps(values[i], inverse));  // the nearest
        sum      = _mm256_add_epi32(sum, whole[i]);
    }
    // Packing goes by halves of vectors, which leaves groups of four in another order.
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to.values), _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));

    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four         = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    const int32_t all = _mm_cvtsi128_si32(four) + _mm_extract_epi32(four, 1);
    to.half_sum       = to.scale * static_cast<float>(all) / 2;
    to.unsigned_sum   = -64 * all;
}

// Eight rows of 32 weights: of Block's parts each row's after the other, in chunks of `chunk` bytes.
template <class Block> struct eight_rows;
template <> struct eight_rows<block_q4_0> { ggml_half d[8]; uint8_t qs[128]; };
template <> struct eight_rows<block_iq4_nl> { ggml_half d[8]; uint8_t qs[128]; };
template <> struct eight_rows<block_q4_1> { ggml_half d[8], m[8]; uint8_t qs[128]; };
template <> struct eight_rows<block_q5_0> { ggml_half d[8]; uint8_t qh[32], qs[128]; };
template <> struct eight_rows<block_q5_1> { ggml_half d[8], m[8]; uint8_t qh[32], qs[128]; };
template <> struct eight_rows<block_q8_0> { ggml_half d[8]; uint8_t qs[256]; };

template <class Block> constexpr bool has_minimum = std::is_same_v<Block, block_q4_1> || std::is_same_v<Block, block_q5_1>;
template <class Block> constexpr bool has_fifth_bit = std::is_same_v<Block, block_q5_0> || std::is_same_v<Block, block_q5_1>;
template <class Block> constexpr bool is_signed = std::is_same_v<Block, block_q8_0> || std::is_same_v<Block, block_iq4_nl>;
// What is to be taken off the stored weights.
template <class Block> constexpr float excess = std::is_same_v<Block, block_q4_0> ? 8 : std::is_same_v<Block, block_q5_0> ? 16 : 0;

// Puts one row's block in its place.
template <class Block> static inline void repack_block(eight_rows<Block> & to, const Block & from, int row) {
    static_assert(sizeof(eight_rows<Block>) == 8 * sizeof(Block));
    if constexpr (has_minimum<Block>) {
        to.d[row] = from.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.d;
        to.m[row] = from.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.m;
    } else {
        to.d[row] = from.d;
    }
    if constexpr (has_fifth_bit<Block>) {
        for (int chunk = 0; chunk < 4; chunk++) to.qh[chunk * 8 + row] = from.qh[chunk];
    }
    for (size_t at = 0; at < sizeof from.qs; at += 8) std::memcpy(to.qs + at * 8 + row * 8, from.qs + at, 8);
}

// Chunk `i` of four, of eight weights each: unsigned, or signed for those types.
template <class Block> static inline vec unpack_chunk(const eight_rows<Block> & w, int i, int row) {
    if constexpr (std::is_same_v<Block, block_q8_0>) {
        return load(w.qs + i * 64 + row * 8);
    } else {
        const vec packed = load(w.qs + i % 2 * 64 + row * 8);
        const vec nibble = both(i < 2 ? packed : right<4>(packed), bytes(0x0f));
        if constexpr (std::is_same_v<Block, block_iq4_nl>) {
            return lookup(_mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), nibble);
        }
        if constexpr (has_fifth_bit<Block>) {
            const vec each = shuffle(unsigned_rows(w.qh + i * 8 + row), _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8));
            return either(nibble, where_set(each, repeat64(0x8040201008040201), 0x10));
        }
        return nibble;
    }
}

// Adds the products of a chunk to a token's sums: in 16 bits, which hold those of all four chunks, or, of signed weights, in 32.
template <class Block> static inline vec add_products_of(vec sums, vec q, vec activations) {
    if constexpr (!is_signed<Block>) return add16(sums, products(q, activations));
#if defined(__AVX512VNNI__)
    return add_products(sums, toggled(q, bytes(0x80)), activations);
#else
    return add32(sums, pair_sums(products(absolute(q), with_sign_of(q, activations))));
#endif
}

template <class Block> static inline vec first_sums(const eight_bit_block & token) {
#if defined(__AVX512VNNI__)
    if constexpr (is_signed<Block>) return integers(token.unsigned_sum);
#endif
    (void) token;
    return zero();
}

// The products of eight rows with T tokens of `nb` blocks each; out[t * stride] are a token's. What an activation is repeated
// for is used for all vectors of rows.
template <int T, class Block>
static inline void multiply_eight_rows(const eight_rows<Block> * weights, const eight_bit_block * tokens, int nb, float * out, size_t stride) {
    constexpr int V = 8 / rows_in_vector;
    floats totals[V][T];
    LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[v][t] = no_floats();
    }
    for (int block = 0; block < nb; block++) {
        const eight_rows<Block> & w = weights[block];
        fetch_ahead(&w);
        vec sums[V][T];
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
            LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) sums[v][t] = first_sums<Block>(tokens[t * nb + block]);
        }
        LLAMA_NATIVE_UNROLL for (int i = 0; i < 4; i++) {
            vec q[V];
            LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) q[v] = unpack_chunk(w, i, v * rows_in_vector);
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
                const vec eight = repeat(tokens[t * nb + block].values + i * 8);
                LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) sums[v][t] = add_products_of<Block>(sums[v][t], q[v], eight);
            }
        }
        floats d[V], m[V];
        LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
            d[v] = half_rows(w.d + v * rows_in_vector);
            if constexpr (has_minimum<Block>) m[v] = half_rows(w.m + v * rows_in_vector);
            else m[v] = times(d[v], -excess<Block>);
        }
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
            const eight_bit_block & token = tokens[t * nb + block];
            const floats scale = repeated(token.scale), half_sum = repeated(token.half_sum);
            LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
                const vec whole = is_signed<Block> ? sums[v][t] : pair_sums(sums[v][t]);
                totals[v][t]    = add_scaled(totals[v][t], whole, times(d[v], scale));
                if constexpr (has_minimum<Block> || excess<Block> > 0) totals[v][t] = multiplied_add(totals[v][t], m[v], half_sum);
            }
        }
    }
    LLAMA_NATIVE_UNROLL for (int v = 0; v < V; v++) {
        LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) store_rows(out + t * stride + v * rows_in_vector, totals[v][t]);
    }
}

// `rows` rows of `nb` blocks times `tokens` tokens; out[token * stride + row].
template <class Block>
static inline void multiply_legacy(const eight_rows<Block> * weights, const eight_bit_block * activations, int nb, int tokens, int rows, float * out, size_t stride) {
    for (int row = 0; row < rows; row += 8, weights += nb) {
        int token = 0;
        const auto take = [&](auto number) {
            constexpr int T = decltype(number)::value;
            for (; token + T <= tokens; token += T) {
                multiply_eight_rows<T>(weights, activations + static_cast<size_t>(token) * nb, nb, out + token * stride + row, stride);
            }
        };

        // With AVX2 the sums of four tokens, for two vectors of rows, fill the registers.
        if constexpr (rows_in_vector == 8) {
            take(count<16>());
            take(count<8>());
        }
        take(count<4>());
        take(count<3>());
        take(count<2>());
        take(count<1>());
    }
}

} // namespace llama_native

#endif

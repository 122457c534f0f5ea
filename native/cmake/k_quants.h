// Products of weights of types Q4_K, Q5_K and Q6_K, repacked eight rows at a time as ggml does it, with activations of eight
// bits: x86 with AVX2.
//
// ggml has some of these as well (Q5_K and Q6_K on ARM only); here one kernel takes one to eight tokens (to sixteen with
// AVX-512), so that
//   - weights are unpacked once for all of them, also for the two or three tokens that are left over of a batch,
//   - a token's sum does not depend, to the bit, on how many others it is computed with: it is a sum of integers in each block
//     of 256, and those are added up block by block.

#pragma once

#include "row_vectors.h"
#include "repack.h"

#if defined(__AVX2__)

namespace llama_native {

// Sums that a block's is made of, so that with few tokens one addition need not wait for the one before.
template <int T> constexpr int chains = T <= 2 ? 2 : 1;

template <int T> static inline void clear(vec (&sums)[T][chains<T>]) {
    LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
        for (vec & chain : sums[t]) chain = zero();
    }
}

template <int C> static inline vec all_of(const vec (&sum)[C]) {
    if constexpr (C == 1) return sum[0];
    else return add32(sum[0], sum[1]);
}

// 32 times four numbers of each row, one after the other.
static inline vec thirty_two_times(vec a, vec b, vec c, vec d) {
    const vec low_half  = either(both(a, low16()), left64<16>(both(b, low16())));
    const vec high_half = either(left64<32>(both(c, low16())), left64<48>(d));
    return left<5>(either(low_half, high_half));
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

// Adds to each token's sum its products with N chunks of weights, from the activation numbered `from`, times the rows' scale.
// They are few enough, and small enough, for 16 bits.
template <int T, int N, class Tokens>
static inline void add_chunks(vec (&sums)[T][chains<T>], int chain, const vec (&q)[N], vec scale, const Tokens & tokens, int block, int from) {
    LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) {
        vec pairs[N];
        LLAMA_NATIVE_UNROLL for (int i = 0; i < N; i++) pairs[i] = products(q[i], repeat(tokens.values(t, block, from + i * 8)));
        vec all = add16(pairs[0], pairs[1]);
        if constexpr (N == 4) all = add16(all, add16(pairs[2], pairs[3]));
        vec & sum = sums[t][chain % chains<T>];
        sum       = multiply_add(sum, all, scale);
    }
}

// Four chunks, which are a sub-block of 32: those of quarter `quarter` in the low or the high nibbles.
template <class Half> static inline void unpack_chunks(const block_q4_Kx8 & w, int quarter, Half high, int row, vec (&q)[4]) {
    LLAMA_NATIVE_UNROLL for (int i = 0; i < 4; i++) {
        const vec packed = load(w.qs + (quarter * 4 + i) * 64 + row * 8);
        q[i]             = both(high.value ? right<4>(packed) : packed, bytes(0x0f));
    }
}

// The fifth bits of sub-block s lie in bit s of their bytes.
template <class Half> static inline void unpack_chunks(const block_q5_Kx8 & w, int quarter, Half high, int row, vec (&q)[4]) {
    const vec bits = bytes(1 << (quarter * 2 + high.value));
    LLAMA_NATIVE_UNROLL for (int i = 0; i < 4; i++) {
        const vec packed = load(w.qs + (quarter * 4 + i) * 64 + row * 8);
        const vec fifth  = where_set(load(w.qh + i * 64 + row * 8), bits, 0x10);
        q[i]             = either(both(high.value ? right<4>(packed) : packed, bytes(0x0f)), fifth);
    }
}

// The products of eight rows with T tokens; out[t * stride] are a token's.
template <int T, class Weights, class Tokens>
static inline void multiply(const Weights * weights, const Tokens & tokens, float * out, size_t stride) {
    // A row's minimums of two sub-blocks, each for two sums of sixteen.
    const __m128i two_and_two = _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13);
    constexpr int V = 8 / rows_in_vector;
    floats totals[V][T];
    for (int v = 0; v < V; v++) {
        for (int t = 0; t < T; t++) totals[v][t] = no_floats();
    }
    for (int block = 0; block < tokens.nb; block++) {
        const Weights & w = weights[block];
        fetch_ahead(&w);
        uint64_t scales[8], minimums[8];
        for (int i = 0; i < 8; i++) unpack_scales(w.scales + i * 12, scales[i], minimums[i]);
        for (int v = 0; v < V; v++) {
            const int row = v * rows_in_vector;
            vec sums[T][chains<T>];
            clear<T>(sums);
            for (int quarter = 0; quarter < 4; quarter++) {
                const auto take = [&](auto high) {
                    const int i     = quarter * 2 + high.value;
                    const vec scale = spread(unsigned_rows(reinterpret_cast<const uint8_t *>(&scales[i]) + row));
                    vec q[4];
                    unpack_chunks(w, quarter, high, row, q);
                    add_chunks<T>(sums, high.value, q, scale, tokens, block, i * 32);
                };
                take(std::false_type());
                take(std::true_type());
            }
            const floats d = half_rows(w.d + row), dmin = half_rows(w.dmin + row);
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[v][t] = add_scaled(totals[v][t], all_of(sums[t]), times(d, tokens.scale(t, block)));

            clear<T>(sums);
            LLAMA_NATIVE_UNROLL for (int quarter = 0; quarter < 4; quarter++) {
                const uint8_t * m      = reinterpret_cast<const uint8_t *>(&minimums[quarter * 2]) + row;
                const vec       offset = shuffle(either(unsigned_rows(m), left64<32>(unsigned_rows(m + 8))), two_and_two);
                LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) sums[t][0] = multiply_add(sums[t][0], offset, repeat(tokens.sums(t, block, quarter)));
            }
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[v][t] = take_scaled(totals[v][t], sums[t][0], times(dmin, tokens.scale(t, block)));
        }
    }
    for (int v = 0; v < V; v++) {
        for (int t = 0; t < T; t++) store_rows(out + t * stride + v * rows_in_vector, totals[v][t]);
    }
}

// Two chunks, which are sixteen weights: number `pair` of a half, in the low nibbles, or in the high ones, which are 64
// weights further on. The upper bits of the low ones lie in bits 0 and 1 of their bytes, or 2 and 3 where `pair` is 2 or 3;
// of the high ones in bits 4 and 5, or 6 and 7.
template <class Half, class Upper>
static inline void unpack_chunks(const block_q6_Kx8 & w, int half, int pair, Half high, Upper second, int row, vec (&q)[2]) {
    const uint8_t * ql = w.ql + (half * 8 + pair * 2) * 64 + row * 8;
    const uint8_t * qh = w.qh + (half * 4 + (pair % 2) * 2) * 64 + row * 8;
    LLAMA_NATIVE_UNROLL for (int i = 0; i < 2; i++) {
        const vec packed = load(ql + i * 64), h = load(qh + i * 64);
        vec upper;
        if constexpr (high.value && second.value) upper = right<2>(h);
        else if constexpr (high.value) upper = h;
        else if constexpr (second.value) upper = left<2>(h);
        else upper = left<4>(h);
        q[i] = either(both(high.value ? right<4>(packed) : packed, bytes(0x0f)), both(upper, bytes(0x30)));
    }
}

template <int T, class Tokens>
static inline void multiply(const block_q6_Kx8 * weights, const Tokens & tokens, float * out, size_t stride) {
    constexpr int V = 8 / rows_in_vector;
    floats totals[V][T];
    for (int v = 0; v < V; v++) {
        for (int t = 0; t < T; t++) totals[v][t] = no_floats();
    }
    for (int block = 0; block < tokens.nb; block++) {
        const block_q6_Kx8 & w = weights[block];
        fetch_ahead(&w);
        for (int v = 0; v < V; v++) {
            const int row = v * rows_in_vector;
            vec sums[T][chains<T>];
            clear<T>(sums);

            // Bits 4 and 5 of weights are stored without the 32 that is to be taken off: so its multiple of the activations is.
            LLAMA_NATIVE_UNROLL for (int quarter = 0; quarter < 4; quarter++) {
                const int8_t * s      = w.scales + quarter * 32 + row;
                const vec      offset = thirty_two_times(signed_rows(s), signed_rows(s + 8), signed_rows(s + 16), signed_rows(s + 24));
                LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) sums[t][0] = multiply_add(sums[t][0], offset, repeat(tokens.sums(t, block, quarter)));
            }
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) sums[t][0] = negative(sums[t][0]);

            for (int half = 0; half < 2; half++) {
                const auto take = [&](int pair, auto high, auto second) {
                    const int at    = half * 8 + high.value * 4 + pair;
                    const vec scale = spread(signed_rows(w.scales + at * 8 + row));
                    vec q[2];
                    unpack_chunks(w, half, pair, high, second, row, q);
                    add_chunks<T>(sums, high.value, q, scale, tokens, block, at * 16);
                };
                const auto take_pair = [&](int pair, auto second) {
                    take(pair, std::false_type(), second);
                    take(pair, std::true_type(), second);
                };
                for (int pair = 0; pair < 2; pair++) take_pair(pair, std::false_type());
                for (int pair = 2; pair < 4; pair++) take_pair(pair, std::true_type());
            }

            const floats d = half_rows(w.d + row);
            LLAMA_NATIVE_UNROLL for (int t = 0; t < T; t++) totals[v][t] = add_scaled(totals[v][t], all_of(sums[t]), times(d, tokens.scale(t, block)));
        }
    }
    for (int v = 0; v < V; v++) {
        for (int t = 0; t < T; t++) store_rows(out + t * stride + v * rows_in_vector, totals[v][t]);
    }
}

// `rows` rows of `n` weights times tokens in groups of four; what ggml calls gemm. out[token * stride + row].
template <class Weights>
static void multiply_interleaved(int n, float * out, size_t stride, const Weights * weights, const block_q8_Kx4 * activations, int tokens, int rows) {
    const int nb = n / QK_K;
    for (int row = 0; row < rows; row += 8, weights += nb) {
        int token = 0;
        const auto take = [&](auto number) {
            constexpr int T = decltype(number)::value;
            for (; token + T <= tokens; token += T) {
                const interleaved_tokens<T> group = { activations + token / 4 * nb, nb };
                multiply<T>(weights, group, out + token * stride + row, stride);
            }
        };
        if constexpr (most_tokens >= 16) take(count<16>());
        take(count<8>());
        take(count<4>());
    }
}

// The same with one to three tokens, each for itself.
template <class Weights>
static void multiply_separate(int n, float * out, size_t stride, const Weights * weights, const block_q8_K * activations, int tokens, int rows) {
    const int nb = n / QK_K;
    for (int row = 0; row < rows; row += 8, weights += nb) {
        switch (tokens) {
            case 1: multiply<1>(weights, separate_tokens<1>{ activations, nb }, out + row, stride); break;
            case 2: multiply<2>(weights, separate_tokens<2>{ activations, nb }, out + row, stride); break;
            case 3: multiply<3>(weights, separate_tokens<3>{ activations, nb }, out + row, stride); break;
        }
    }
}

// The repacked form of a type of block, where these kernels know it.
template <class Block> struct repacked { using type = void; };
template <> struct repacked<block_q4_K> { using type = block_q4_Kx8; };
template <> struct repacked<block_q5_K> { using type = block_q5_Kx8; };
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

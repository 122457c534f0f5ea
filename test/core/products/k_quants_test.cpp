#include "check.h"

#include "cmake/k_quants.h"
#include "ggml-quants.h"
#include "ggml.h"
#include "ggml_parts.h"

#include <cmath>
#include <cstring>
#include <random>

namespace {

constexpr int rows = 16, nb = 3, width = nb * QK_K, most = 23;

std::mt19937 random_bits(7);

ggml_half random_half() {
    return ggml_fp32_to_fp16(std::uniform_real_distribution<float>(-0.01f, 0.01f)(random_bits));
}

template <class Block> void fill(Block & block) {
    for (size_t i = 0; i < sizeof block; i++) reinterpret_cast<uint8_t *>(&block)[i] = static_cast<uint8_t>(random_bits());
}

template <class Block> Block random_block_with_minimums() {
    Block block;
    fill(block);
    block.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.d    = random_half();
    block.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.dmin = random_half();
    return block;
}

block_q4_K random_block(block_q4_K) { return random_block_with_minimums<block_q4_K>(); }
block_q5_K random_block(block_q5_K) { return random_block_with_minimums<block_q5_K>(); }
block_q6_K random_block(block_q6_K) {
    block_q6_K block;
    fill(block);
    block.d = random_half();
    return block;
}

void dequantize(const block_q4_K * row, float * to) { dequantize_row_q4_K(row, to, width); }
void dequantize(const block_q5_K * row, float * to) { dequantize_row_q5_K(row, to, width); }
void dequantize(const block_q6_K * row, float * to) { dequantize_row_q6_K(row, to, width); }

// Chunks of eight bytes of each of eight rows after each other.
void interleave(uint8_t * to, const uint8_t * from, size_t bytes, int row) {
    for (size_t chunk = 0; chunk < bytes / 8; chunk++) std::memcpy(to + (chunk * 8 + row) * 8, from + chunk * 8, 8);
}

// The scale or minimum of a sub-block, as ggml's files pack them.
void unpack(const uint8_t * scales, int i, uint8_t & scale, uint8_t & minimum) {
    if (i < 4) {
        scale   = scales[i] & 63;
        minimum = scales[i + 4] & 63;
    } else {
        scale   = (scales[i + 4] & 15) | ((scales[i - 4] >> 6) << 4);
        minimum = (scales[i + 4] >> 4) | ((scales[i] >> 6) << 4);
    }
}

// What Q4_K and Q5_K have in common.
template <class To, class From> void repack_nibbles(To & to, const From * from, size_t stride) {
    for (int row = 0; row < 8; row++) {
        to.d[row]    = from[row * stride].GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.d;
        to.dmin[row] = from[row * stride].GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.dmin;
        interleave(to.qs, from[row * stride].qs, QK_K / 2, row);
    }
    for (int i = 0; i < 8; i++) {
        uint8_t s[8], m[8];
        for (int row = 0; row < 8; row++) unpack(from[row * stride].scales, i, s[row], m[row]);
        uint8_t * packed = to.scales + i * 12;
        for (int k = 0; k < 4; k++) {
            packed[k]     = s[k] | ((s[k + 4] & 48) << 2);
            packed[k + 4] = m[k] | ((m[k + 4] & 48) << 2);
            packed[k + 8] = (s[k + 4] & 15) | ((m[k + 4] & 15) << 4);
        }
    }
}

void repack(block_q4_Kx8 & to, const block_q4_K * from, size_t stride) { repack_nibbles(to, from, stride); }

void repack(block_q5_Kx8 & to, const block_q5_K * from, size_t stride) {
    repack_nibbles(to, from, stride);
    for (int row = 0; row < 8; row++) interleave(to.qh, from[row * stride].qh, QK_K / 8, row);
}

void repack(block_q6_Kx8 & to, const block_q6_K * from, size_t stride) {
    for (int row = 0; row < 8; row++) {
        to.d[row] = from[row * stride].d;
        interleave(to.ql, from[row * stride].ql, QK_K / 2, row);
        interleave(to.qh, from[row * stride].qh, QK_K / 4, row);
        for (int i = 0; i < QK_K / 16; i++) to.scales[i * 8 + row] = from[row * stride].scales[i];
    }
}

// Four tokens in each other, as ggml quantizes them.
void interleave_tokens(block_q8_Kx4 & to, const block_q8_K * from) {
    for (int t = 0; t < 4; t++) {
        const block_q8_K & block = from[t * nb];
        to.d[t] = block.d;
        for (int at = 0; at < QK_K; at++) to.qs[at / 8 * 32 + t * 8 + at % 8] = block.qs[at];
        for (int i = 0; i < QK_K / 16; i++) to.bsums[i / 4 * 16 + t * 4 + i % 4] = block.bsums[i];
    }
}

template <class Block> void check_products() {
    using repacked_block = typename llama_native::repacked<Block>::type;
    std::vector<Block>          weights(rows * nb);
    std::vector<repacked_block> repacked(rows / 8 * nb);
    for (auto & block : weights) block = random_block(Block());
    for (int row = 0; row < rows; row += 8) {
        for (int block = 0; block < nb; block++) repack(repacked[row / 8 * nb + block], &weights[row * nb + block], nb);
    }

    std::vector<block_q8_K>   tokens(most * nb);
    std::vector<block_q8_Kx4> fours(most / 4 * nb);
    for (int t = 0; t < most; t++) {
        std::vector<float> values(width);
        for (auto & value : values) value = std::normal_distribution<float>()(random_bits);
        values[t] = t % 2 ? 9 : -9;  // the greatest quantized value, of either sign
        quantize_row_q8_K_ref(values.data(), &tokens[t * nb], width);
    }
    for (int t = 0; t + 4 <= most; t += 4) {
        for (int block = 0; block < nb; block++) interleave_tokens(fours[t / 4 * nb + block], &tokens[t * nb + block]);
    }

    std::vector<float> alone(most * rows);
    for (int t = 0; t < most; t++) {
        const int done = llama_native::gemv<Block, 8, 8>(width, &alone[t * rows], rows, repacked.data(), &tokens[t * nb], 1, rows);
        EQUAL(done, 1);
        for (int row = 0; row < rows; row++) {
            std::vector<float> line(width), token(width);
            dequantize(&weights[row * nb], line.data());
            double sum = 0, size = 0;
            for (int i = 0; i < width; i++) {
                const block_q8_K & block   = tokens[t * nb + i / QK_K];
                const double       product = static_cast<double>(line[i]) * block.d * block.qs[i % QK_K];
                sum += product;
                size += std::fabs(product);
            }
            CHECK(std::fabs(alone[t * rows + row] - sum) < 1e-6 * size);
        }
    }

    for (int count = 2; count <= 3; count++) {
        std::vector<float> together(count * rows);
        const int done = llama_native::gemv<Block, 8, 8>(width, together.data(), rows, repacked.data(), tokens.data(), count, rows);
        EQUAL(done, count);
        CHECK(!std::memcmp(together.data(), alone.data(), together.size() * sizeof(float)));
    }
    for (int count = 4; count <= most; count += 4) {
        std::vector<float> together(count * rows);
        CHECK(llama_native::gemm<Block>(width, together.data(), rows, repacked.data(), fours.data(), count, rows));
        CHECK(!std::memcmp(together.data(), alone.data(), together.size() * sizeof(float)));
    }
}

} // namespace

TEST("products with Q4_K weights are exact, and the same for any number of tokens") { check_products<block_q4_K>(); }

TEST("products with Q5_K weights are exact, and the same for any number of tokens") { check_products<block_q5_K>(); }

TEST("products with Q6_K weights are exact, and the same for any number of tokens") { check_products<block_q6_K>(); }

TEST("types without kernels of their own are left to ggml") {
    EQUAL((llama_native::gemv<block_q2_K, 8, 8>(width, nullptr, 0, nullptr, nullptr, 1, rows)), 0);
    EQUAL((llama_native::gemv<block_q4_K, 4, 8>(width, nullptr, 0, nullptr, nullptr, 1, rows)), 0);
    CHECK(!llama_native::gemm<block_q2_K>(width, nullptr, 0, nullptr, nullptr, 4, rows));
}

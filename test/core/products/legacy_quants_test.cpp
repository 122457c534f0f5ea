#include "check.h"

#include "cmake/legacy_quants.h"
#include "ggml-quants.h"
#include "ggml.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using llama_native::eight_bit_block;
using llama_native::eight_rows;

namespace {

constexpr int rows = 16, nb = 5, width = nb * 32, most = 35;

std::mt19937 random_bits(11);

ggml_half random_half() { return ggml_fp32_to_fp16(std::uniform_real_distribution<float>(-0.01f, 0.01f)(random_bits)); }

template <class Block> Block random_block() {
    Block block;
    for (size_t i = 0; i < sizeof block; i++) reinterpret_cast<uint8_t *>(&block)[i] = static_cast<uint8_t>(random_bits());
    if constexpr (llama_native::has_minimum<Block>) {
        block.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.d = random_half();
        block.GGML_COMMON_AGGR_U.GGML_COMMON_AGGR_S.m = random_half();
    } else {
        block.d = random_half();
    }
    return block;
}

void dequantize(const block_q4_0 * row, float * to) { dequantize_row_q4_0(row, to, width); }
void dequantize(const block_q4_1 * row, float * to) { dequantize_row_q4_1(row, to, width); }
void dequantize(const block_q5_0 * row, float * to) { dequantize_row_q5_0(row, to, width); }
void dequantize(const block_q5_1 * row, float * to) { dequantize_row_q5_1(row, to, width); }
void dequantize(const block_q8_0 * row, float * to) { dequantize_row_q8_0(row, to, width); }
void dequantize(const block_iq4_nl * row, float * to) { dequantize_row_iq4_nl(row, to, width); }

std::vector<float> random_activations() {
    std::vector<float> values(width);
    for (auto & value : values) value = std::normal_distribution<float>(0.3f)(random_bits);
    return values;
}

template <class Block> void check_products() {
    std::vector<Block>             weights(rows * nb);
    std::vector<eight_rows<Block>> repacked(rows / 8 * nb);
    for (auto & block : weights) block = random_block<Block>();
    for (int row = 0; row < rows; row++) {
        for (int block = 0; block < nb; block++) repack_block(repacked[row / 8 * nb + block], weights[row * nb + block], row % 8);
    }
    std::vector<eight_bit_block> tokens(most * nb);
    for (int t = 0; t < most; t++) {
        const auto values = random_activations();
        for (int block = 0; block < nb; block++) llama_native::quantize(&values[block * 32], tokens[t * nb + block]);
    }

    std::vector<float> alone(most * rows);
    for (int t = 0; t < most; t++) {
        llama_native::multiply_legacy<Block>(repacked.data(), &tokens[t * nb], nb, 1, rows, &alone[t * rows], rows);
        for (int row = 0; row < rows; row++) {
            std::vector<float> line(width);
            dequantize(&weights[row * nb], line.data());
            double sum = 0, size = 0;
            for (int i = 0; i < width; i++) {
                const eight_bit_block & block   = tokens[t * nb + i / 32];
                const double            product = static_cast<double>(line[i]) * block.scale * block.values[i % 32];
                sum += product;
                size += std::fabs(product);
            }
            CHECK(std::fabs(alone[t * rows + row] - sum) < 2e-6 * size);
        }
    }
    for (int count = 2; count <= most; count++) {
        std::vector<float> together(count * rows);
        llama_native::multiply_legacy<Block>(repacked.data(), tokens.data(), nb, count, rows, together.data(), rows);
        CHECK(!std::memcmp(together.data(), alone.data(), together.size() * sizeof(float)));
    }
}

} // namespace

TEST("products with Q4_0 weights are exact, and the same for any number of tokens") { check_products<block_q4_0>(); }

TEST("products with Q4_1 weights are exact, and the same for any number of tokens") { check_products<block_q4_1>(); }

TEST("products with Q5_0 weights are exact, and the same for any number of tokens") { check_products<block_q5_0>(); }

TEST("products with Q5_1 weights are exact, and the same for any number of tokens") { check_products<block_q5_1>(); }

TEST("products with Q8_0 weights are exact, and the same for any number of tokens") { check_products<block_q8_0>(); }

TEST("products with IQ4_NL weights are exact, and the same for any number of tokens") { check_products<block_iq4_nl>(); }

TEST("the greatest weights and activations there are do not overflow") {
    constexpr int    blocks = 1;
    eight_rows<block_q8_0> weights{};
    block_q8_0             block;
    block.d = ggml_fp32_to_fp16(1);
    for (int sign = -1; sign <= 1; sign += 2) {
        for (auto & q : block.qs) q = static_cast<int8_t>(sign < 0 ? -128 : 127);
        for (int row = 0; row < 8; row++) repack_block(weights, block, row);
        std::vector<float> values(32, 127.0f), out(8);
        eight_bit_block    token;
        llama_native::quantize(values.data(), token);
        llama_native::multiply_legacy<block_q8_0>(&weights, &token, blocks, 1, 8, out.data(), 8);
        for (const float sum : out) EQUAL(sum, 32.0f * 127 * (sign < 0 ? -128 : 127));
    }
}

TEST("activations become the nearest of 255 numbers") {
    const auto      values = random_activations();
    eight_bit_block block;
    llama_native::quantize(values.data(), block);
    float   greatest = 0;
    int32_t sum      = 0;
    for (int i = 0; i < 32; i++) {
        greatest = std::fmax(greatest, std::fabs(values[i]));
        CHECK(std::fabs(values[i] - block.scale * block.values[i]) <= block.scale * 0.5001f);
        sum += block.values[i];
    }
    EQUAL(block.scale, greatest / 127);
    EQUAL(block.half_sum, block.scale * sum / 2);
    EQUAL(block.unsigned_sum, -64 * sum);

    const std::vector<float> nothing(32);
    llama_native::quantize(nothing.data(), block);
    EQUAL(block.scale, 0.0f);
    for (const int8_t value : block.values) EQUAL(value, 0);
}

#pragma once

// The attention of ggml's CPU backend for contexts of many sequences; see patches.cmake.
//
// All sequences of a context share one KV cache, and each token's mask leaves out the cells of all others. Tokens that see
// mostly the same cells make a block; the cells seen by any of them are gathered, 64 at a time, converted to single precision
// once for all tokens of the block and all heads that share them, and attended to by matrix products with a running softmax
// (https://arxiv.org/abs/2112.05682).
//
// What a token gets does not depend on who shares its batch, to the bit: every sum goes over the token's cells in their order,
// one after the other, whatever block and tile they are in. Cells that a row does not see add exact zeros. Weights are powers
// of two relative to a whole number near the highest score so far, so that raising that number is exact too.

#include <algorithm>
#include <bitset>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "common.h"
#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "key_columns.h"
#include "matrix_product.h"
#include "ops.h"
#include "vec.h"
#ifdef __AVX__
#include <immintrin.h>
#endif
#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace llama_native {

// Rows of a block (tokens times heads), at most; ggml plans the working memory for as many, and tile_cells cells.
constexpr int64_t block_rows = GGML_FA_TILE_Q;
// What gathering and converting a cell costs, in rows that attend to it. Measured.
constexpr int64_t cell_cost = 6;

// Of a row that has seen nothing. Scores so low weigh nothing.
constexpr float lowest_scale = -16384;

using cell_bits = std::vector<uint64_t>;

struct token_block {
    int64_t stream, first, count;
};

struct attention {
    const ggml_tensor * q, * k, * v, * mask, * sinks;
    ggml_tensor *       dst;
    int64_t             key_length, value_length, tokens, heads, streams, cells;
    int64_t             heads_per_key;   // query heads that share the keys of one
    int64_t             heads_per_unit;  // of those, as many as a thread takes at a time
    float               scale, max_bias, softcap;

    attention(ggml_tensor * out)
        : q(out->src[0]), k(out->src[1]), v(out->src[2]), mask(out->src[3]), sinks(out->src[4]), dst(out),
          key_length(k->ne[0]), value_length(v->ne[0]), tokens(q->ne[1]), heads(q->ne[2]), streams(q->ne[3]), cells(k->ne[1]),
          heads_per_key(heads / k->ne[2]), heads_per_unit(heads_per_key) {
        memcpy(&scale, (const float *) out->op_params + 0, sizeof(float));
        memcpy(&max_bias, (const float *) out->op_params + 1, sizeof(float));
        memcpy(&softcap, (const float *) out->op_params + 2, sizeof(float));
        if (softcap != 0) scale /= softcap;
        for (int64_t part = 2; heads_per_unit > block_rows; part++) {
            if (heads_per_key % part == 0) heads_per_unit = heads_per_key / part;
        }
    }

    const uint16_t * mask_row(int64_t stream, int64_t token) const {
        return mask ? (const uint16_t *) ((const char *) mask->data + token * mask->nb[1] + (stream % mask->ne[3]) * mask->nb[3]) : nullptr;
    }

    // Of ALiBi; 1 for all other models.
    float slope(int64_t head) const {
        if (max_bias <= 0) return 1;
        const int64_t power = int64_t(1) << (int) floor(log2(heads));
        return head < power ? powf(powf(2, -max_bias / power), head + 1) : powf(powf(2, -max_bias / 2 / power), 2 * (head - power) + 1);
    }

    float * output(int64_t stream, int64_t token, int64_t head) const {
        return (float *) ((char *) dst->data + (stream * dst->ne[2] * dst->ne[1] + head + token * dst->ne[1]) * dst->nb[1]);
    }
};

static inline bool converts_to_float(ggml_type type) { return type == GGML_TYPE_F32 || ggml_get_type_traits(type)->to_float; }

static inline void convert_to_float(ggml_type type, const void * from, float * to, int64_t count) {
    switch (type) {
        case GGML_TYPE_F32: memcpy(to, from, count * sizeof(float)); break;
        case GGML_TYPE_F16: ggml_cpu_fp16_to_fp32((const ggml_fp16_t *) from, to, count); break;
        default: ggml_get_type_traits(type)->to_float(from, to, count);
    }
}

// Adds the cells that a row of a mask, of half-precision numbers, does not leave out with minus infinity.
static inline void add_cells(const uint16_t * row, int64_t cells, cell_bits & seen) {
    const uint64_t hidden = 0xFC00FC00FC00FC00, low = 0x7FFF7FFF7FFF7FFF;
    if (!row) {
        for (int64_t cell = 0; cell < cells; cell++) seen[cell / 64] |= uint64_t(1) << cell % 64;
        return;
    }
    int64_t cell = 0;
    for (; cell + 16 <= cells; cell += 16) {
        uint64_t part[4];
        memcpy(part, row + cell, sizeof part);
        if (!((part[0] ^ hidden) | (part[1] ^ hidden) | (part[2] ^ hidden) | (part[3] ^ hidden))) continue;
        uint64_t bits = 0xFFFF;
        if (part[0] | part[1] | part[2] | part[3]) {
            bits = 0;
            for (int i = 0; i < 4; i++) {
                const uint64_t differs = part[i] ^ hidden;
                const uint64_t lanes = ((((differs & low) + low) | differs) & ~low) >> 15;
                bits |= ((lanes * 0x1000200040008) >> 48 & 0xF) << 4 * i;
            }
        }
        seen[cell / 64] |= bits << cell % 64;
    }
    for (; cell < cells; cell++) {
        if (row[cell] != 0xFC00) seen[cell / 64] |= uint64_t(1) << cell % 64;
    }
}

static inline int64_t count_cells(const cell_bits & seen) {
    int64_t count = 0;
    for (const uint64_t bits : seen) count += int64_t(std::bitset<64>(bits).count());
    return count;
}

// The number of the lowest bit that is set; one is.
static inline int lowest_bit(uint64_t bits) {
#ifdef _MSC_VER
    unsigned long number;
    _BitScanForward64(&number, bits);
    return int(number);
#else
    return __builtin_ctzll(bits);
#endif
}

// Tokens that follow each other in a batch make a block where attending to what any of them sees costs less than attending
// in two.
static std::vector<token_block> find_blocks(const attention & a) {
    std::vector<token_block> blocks;
    if (a.tokens == 1) {
        for (int64_t stream = 0; stream < a.streams; stream++) blocks.push_back({ stream, 0, 1 });
        return blocks;
    }
    const int64_t longest = std::max<int64_t>(block_rows / a.heads_per_unit, 1);
    cell_bits     seen, own, both;
    for (int64_t stream = 0; stream < a.streams; stream++) {
        int64_t cost = 0;
        for (int64_t token = 0; token < a.tokens; token++) {
            own.assign((a.cells + 63) / 64, 0);
            add_cells(a.mask_row(stream, token), a.cells, own);
            const int64_t alone = count_cells(own) * (a.heads_per_unit + cell_cost);
            if (token > 0 && blocks.back().count < longest) {
                both = seen;
                for (size_t i = 0; i < own.size(); i++) both[i] |= own[i];
                const int64_t together = count_cells(both) * ((blocks.back().count + 1) * a.heads_per_unit + cell_cost);
                if (together <= cost + alone) {
                    blocks.back().count++;
                    seen.swap(both);
                    cost = together;
                    continue;
                }
            }
            blocks.push_back({ stream, token, 1 });
            seen.swap(own);
            cost = alone;
        }
    }
    return blocks;
}

// A thread's working memory: `rows` queries, the keys and values of a tile, the rows' scores, and their sums so far.
struct workspace {
    float * queries, * keys, * values, * scores, * sums;
    float   scale[block_rows], total[block_rows];  // of the weights: they are relative to 2^scale

    static size_t size(const attention & a, int64_t rows) {
        return rows * (a.key_length + a.value_length + tile_cells) + tile_cells * (a.key_length + std::max(a.key_length, a.value_length));
    }
    workspace(const attention & a, int64_t rows, float * memory) {
        queries = memory;
        keys    = queries + rows * a.key_length;
        values  = keys + tile_cells * a.key_length;
        scores  = values + tile_cells * std::max(a.key_length, a.value_length);
        sums    = scores + rows * tile_cells;
        memset(sums, 0, rows * a.value_length * sizeof(float));
        for (int64_t row = 0; row < rows; row++) scale[row] = lowest_scale, total[row] = 0;
    }
};

// Of a head, the keys or the values of cell 0; those of others follow at a distance of nb[1].
static inline const char * cells_of(const attention & a, const ggml_tensor * t, const token_block & block, int64_t head) {
    return (const char *) t->data + head / (a.heads / t->ne[2]) * t->nb[2] + block.stream / (a.streams / t->ne[3]) * t->nb[3];
}

// A list of cells from a tile's first on: `count` are the tile's, `left` are left in all. Scores are computed of `width` cells.
struct cell_tile {
    const int32_t * cells;
    int64_t         count, width, left;
};

// Rows that are asked for before they are needed. Measured: 4 to 16 are alike.
constexpr int64_t rows_ahead = 8;

// Of a head, the keys or values of a tile's cells.
//
// Rows are a stride apart, of the size of all heads, which no processor foresees: those of cells that follow, also in the
// next tile, are asked for meanwhile.
struct tile_rows {
    const ggml_tensor * t;
    const char *        data;
    const cell_tile &   tile;

    const void * row(int64_t i, size_t bytes) const {
#if defined(__GNUC__)
        const char * next = data + tile.cells[std::min(i + rows_ahead, tile.left - 1)] * t->nb[1];
        for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(next + at);
#endif
        return data + tile.cells[i] * t->nb[1];
    }
};

// Rows in single precision, one after the other.
static void convert_rows(const tile_rows & rows, int64_t length, float * to) {
    const size_t bytes = ggml_row_size(rows.t->type, length);
    for (int64_t i = 0; i < rows.tile.count; i++) convert_to_float(rows.t->type, rows.row(i, bytes), to + i * length, length);
}

// The keys as columns, of what `key` gives for the number of a cell. Beyond the tile's cells it is the last one's key: such scores
// are left out.
template <class Number, class Key> static inline void turn_tile(const cell_tile & tile, int64_t length, float * columns, Key key) {
    for (int64_t first = 0; first < tile.width; first += 8) {
        const Number * eight[8];
        for (int64_t i = 0; i < 8; i++) eight[i] = (const Number *) key(std::min(first + i, tile.count - 1));
        turn_keys(eight, length, columns + first);
    }
}

static void gather_keys(const tile_rows & rows, int64_t length, float * converted, float * columns) {
#ifdef __F16C__
    if (rows.t->type == GGML_TYPE_F16) {
        const size_t bytes = length * sizeof(uint16_t);
        turn_tile<uint16_t>(rows.tile, length, columns, [&](int64_t i) { return rows.row(i, bytes); });
        return;
    }
#endif
    convert_rows(rows, length, converted);
    turn_tile<float>(rows.tile, length, columns, [&](int64_t i) { return converted + i * length; });
}

// Scores of the queries for a tile's cells.
static void score(const attention & a, const token_block & block, int64_t head, const cell_tile & tile, workspace & w) {
    const int64_t rows = block.count * a.heads_per_unit;
    gather_keys({ a.k, cells_of(a, a.k, block, head), tile }, a.key_length, w.values, w.keys);
    memset(w.scores, 0, rows * tile_cells * sizeof(float));
    add_product({ w.scores, tile_cells }, { w.queries, a.key_length }, { w.keys, tile_cells }, rows, a.key_length, tile.width);
    if (a.softcap != 0) {
        ggml_vec_tanh_f32(rows * tile_cells, w.scores, w.scores);
        ggml_vec_scale_f32(rows * tile_cells, w.scores, a.softcap);
    }
}

// A row of a mask for the tile's cells; false where it lets all of them be.
static inline bool gather_mask(const uint16_t * row, const cell_tile & tile, uint16_t * values) {
    uint16_t any = 0;
    if (!row) return false;
    if (tile.cells[tile.count - 1] - tile.cells[0] == tile.count - 1) {
        memcpy(values, row + tile.cells[0], tile.count * sizeof(uint16_t));
        for (int64_t i = 0; i < tile.count; i++) any |= values[i];
    } else {
        for (int64_t i = 0; i < tile.count; i++) any |= values[i] = row[tile.cells[i]];
    }
    return any != 0;
}

static void apply_mask(const attention & a, const token_block & block, int64_t head, const cell_tile & tile, workspace & w) {
    const int64_t count = tile.count;
    for (int64_t token = 0; token < block.count; token++) {
        const uint16_t * row = a.mask_row(block.stream, block.first + token);
        float *          scores = w.scores + token * a.heads_per_unit * tile_cells;
        for (int64_t i = 0; i < a.heads_per_unit; i++) std::fill(scores + i * tile_cells + count, scores + i * tile_cells + tile.width, -INFINITY);
        uint16_t values[tile_cells];
        if (!gather_mask(row, tile, values)) continue;
        for (int64_t i = 0; i < a.heads_per_unit; i++) {
            const float slope = a.slope(head + i);
            for (int64_t cell = 0; cell < count; cell++) scores[i * tile_cells + cell] += slope * GGML_CPU_FP16_TO_FP32(values[cell]);
        }
    }
}

// log2(e), and what rounds a number to the nearest whole one when added and taken away.
constexpr float to_power_of_two = 1.44269504f, rounds = 12582912.0f;
// The bits of 2 * lowest_scale.
constexpr uint32_t lowest_power = 0xC7000000;

// The scores become weights: exp(score) / 2^scale. `width` is a multiple of 16.
static inline void weigh(float * scores, int64_t width, float scale) {
    for (int64_t i = 0; i < width; i++) {
        float power = scores[i] * to_power_of_two;
        // Not below 2 * lowest_scale. As whole numbers, without a branch, so that compilers take several at a time: the lower a
        // negative number, the larger its bits.
        uint32_t pattern;
        memcpy(&pattern, &power, sizeof pattern);
        pattern = std::min(pattern, lowest_power);
        memcpy(&power, &pattern, sizeof power);
        const float whole = power + rounds - rounds, rest = power - whole;
        // 2^rest, with the coefficients of Cephes' exp2f.
        float weight = 1.535336188319500e-4f * rest + 1.339887440266574e-3f;
        weight = weight * rest + 9.618437357674640e-3f;
        weight = weight * rest + 5.550332471162809e-2f;
        weight = weight * rest + 2.402264791363012e-1f;
        weight = weight * rest + 6.931472028550421e-1f;
        weight = weight * rest + 1.0f;
        const int32_t bits = std::max((int32_t) (whole - scale) + 127, 0) << 23;
        float         factor;
        memcpy(&factor, &bits, sizeof factor);
        scores[i] = weight * factor;
    }
}

// Adds the weights of rows to their totals, each from left to right; several rows at a time, as each addition waits for the last.
template <int together>
static inline void add_up(const float * weights, int64_t rows, int64_t count, float * totals) {
    int64_t row = 0;
    for (; row + together <= rows; row += together) {
        const float * w = weights + row * tile_cells;
        float         sums[together];
        memcpy(sums, totals + row, sizeof sums);
        for (int64_t i = 0; i < count; i++) {
            for (int each = 0; each < together; each++) sums[each] += w[each * tile_cells + i];
        }
        memcpy(totals + row, sums, sizeof sums);
    }
    if constexpr (together > 1) add_up<together / 2>(weights + row * tile_cells, rows - row, count, totals + row);
}

// The highest of `count` numbers, a multiple of 16.
static inline float highest_of(const float * numbers, int64_t count) {
    float lanes[8];
#ifdef __AVX__
    __m256 even = _mm256_loadu_ps(numbers), odd = _mm256_loadu_ps(numbers + 8);
    for (int64_t i = 16; i < count; i += 16) {
        even = _mm256_max_ps(even, _mm256_loadu_ps(numbers + i));
        odd  = _mm256_max_ps(odd, _mm256_loadu_ps(numbers + i + 8));
    }
    _mm256_storeu_ps(lanes, _mm256_max_ps(even, odd));
#else
    memcpy(lanes, numbers, sizeof lanes);
    for (int64_t i = 8; i < count; i += 8) {
        for (int lane = 0; lane < 8; lane++) lanes[lane] = std::max(lanes[lane], numbers[i + lane]);
    }
#endif
    for (int half = 4; half > 0; half /= 2) {
        for (int lane = 0; lane < half; lane++) lanes[lane] = std::max(lanes[lane], lanes[lane + half]);
    }
    return lanes[0];
}

// Adds the values of the gathered cells to the rows' sums, weighted with the softmax of their scores.
static void accumulate(const attention & a, const token_block & block, int64_t head, const cell_tile & tile, workspace & w) {
    const int64_t rows = block.count * a.heads_per_unit, length = a.value_length;
    for (int64_t row = 0; row < rows; row++) {
        float *     scores = w.scores + row * tile_cells;
        const float scale  = highest_of(scores, tile.width) * to_power_of_two + rounds - rounds;
        if (scale > w.scale[row]) {
            if (w.total[row] > 0) {
                const float shrink = ldexpf(1, (int) fmaxf(w.scale[row] - scale, lowest_scale));
                ggml_vec_scale_f32(length, w.sums + row * length, shrink);
                w.total[row] *= shrink;
            }
            w.scale[row] = scale;
        }
        weigh(scores, tile.width, w.scale[row]);
    }
    add_up<8>(w.scores, rows, tile.count, w.total);
    convert_rows({ a.v, cells_of(a, a.v, block, head), tile }, length, w.values);
    add_product({ w.sums, length }, { w.scores, tile_cells }, { w.values, length }, rows, tile.count, length);
}

// Attends with a block's tokens and `heads_per_unit` heads from `head` on.
static void attend(const attention & a, const token_block & block, int64_t head, workspace & w) {
    for (int64_t row = 0; row < block.count * a.heads_per_unit; row++) {
        const char * query = (const char *) a.q->data + (block.first + row / a.heads_per_unit) * a.q->nb[1] +
                             (head + row % a.heads_per_unit) * a.q->nb[2] + block.stream * a.q->nb[3];
        memcpy(w.queries + row * a.key_length, query, a.key_length * sizeof(float));
    }
    ggml_vec_scale_f32(block.count * a.heads_per_unit * a.key_length, w.queries, a.scale);

    static thread_local cell_bits seen;
    seen.assign((a.cells + 63) / 64, 0);
    for (int64_t token = 0; token < block.count; token++) add_cells(a.mask_row(block.stream, block.first + token), a.cells, seen);

    static thread_local std::vector<int32_t> cells;
    cells.clear();
    for (size_t i = 0; i < seen.size(); i++) {
        for (uint64_t bits = seen[i]; bits; bits &= bits - 1) cells.push_back(int32_t(i * 64 + lowest_bit(bits)));
    }
    for (int64_t first = 0; first < (int64_t) cells.size(); first += tile_cells) {
        const int64_t   left = cells.size() - first, count = std::min(left, tile_cells);
        const cell_tile tile = { cells.data() + first, count, (count + 15) / 16 * 16, left };
        score(a, block, head, tile, w);
        apply_mask(a, block, head, tile, w);
        accumulate(a, block, head, tile, w);
    }
}

// Writes what a row attended to, its sum over its total, as the output of a token's head.
static void finish(const attention & a, int64_t stream, int64_t token, int64_t head, int64_t row, const workspace & w) {
    float * sums = w.sums + row * a.value_length, total = w.total[row], shrink = 1;
    if (a.sinks) {
        const float power = ((const float *) a.sinks->data)[head] * to_power_of_two, above = fmaxf(power - w.scale[row], 0);
        shrink = exp2f(-above);
        total  = total * shrink + exp2f(power - w.scale[row] - above);
    }
    ggml_vec_scale_f32(a.value_length, sums, total == 0 ? 0 : shrink / total);
    memcpy(a.output(stream, token, head), sums, a.value_length * sizeof(float));
}

// Computes what GGML_OP_FLASH_ATTN_EXT asks for; false for what is left to ggml. All threads of a pool call it.
static bool attend(const ggml_compute_params * params, ggml_tensor * dst) {
    attention a(dst);
    const bool masked_alike = !a.mask || (a.mask->type == GGML_TYPE_F16 && a.mask->ne[2] == 1);
    if (params->use_ref || a.q->type != GGML_TYPE_F32 || !masked_alike || !converts_to_float(a.k->type) || !converts_to_float(a.v->type)) return false;

    const int64_t threads = params->nth;
    const std::vector<token_block> blocks = find_blocks(a);
    while ((int64_t) blocks.size() * (a.heads / a.heads_per_unit) < threads && a.heads_per_unit % 2 == 0) a.heads_per_unit /= 2;
    const int64_t units = a.heads / a.heads_per_unit, own = workspace::size(a, block_rows) + CACHE_LINE_SIZE_F32;
    if (threads * own * sizeof(float) > params->wsize) return false;

    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, threads);
    ggml_barrier(params->threadpool);
    for (int64_t next = params->ith; next < (int64_t) blocks.size() * units; next = ggml_threadpool_chunk_add(params->threadpool, 1)) {
        const token_block & block = blocks[next / units];
        const int64_t       head  = next % units * a.heads_per_unit, rows = block.count * a.heads_per_unit;
        workspace           w(a, rows, (float *) params->wdata + params->ith * own);
        attend(a, block, head, w);
        for (int64_t row = 0; row < rows; row++) {
            finish(a, block.stream, block.first + row / a.heads_per_unit, head + row % a.heads_per_unit, row, w);
        }
    }
    return true;
}

}  // namespace llama_native

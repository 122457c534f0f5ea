#pragma once

// Attention of many sequences and small batches in one KV cache; see patches.cmake.

#include <cstdint>
#include <cstring>
#include <vector>
#ifdef __AVX__
#include <immintrin.h>
#endif

// The first of the cells `cell` to `end` that a mask's row of half-precision numbers does not mask with minus infinity; else `end`.
static inline int64_t llama_native_next_unmasked(const uint16_t * row, int64_t cell, int64_t end) {
    const uint16_t minus_infinity = 0xFC00;
    const uint64_t four = 0xFC00FC00FC00FC00;
    if (cell < end && row[cell] != minus_infinity) return cell;
    for (; cell + 16 <= end; cell += 16) {
        uint64_t part[4];
        memcpy(part, row + cell, sizeof part);
        if ((part[0] ^ four) | (part[1] ^ four) | (part[2] ^ four) | (part[3] ^ four)) break;
    }
    while (cell < end && row[cell] == minus_infinity) cell++;
    return cell;
}

// Which tiles of cells some rows of a mask leave out altogether. The heads of an attention share one mask, so a thread looks
// at it once for all of them.
struct llama_native_masked_tiles {
    const char *      rows;
    int               count;
    std::vector<bool> masked;
};
static thread_local std::vector<llama_native_masked_tiles> llama_native_tiles;

static void llama_native_begin_attention() { llama_native_tiles.clear(); }

// `count` rows, `stride` bytes apart, of `cells` cells. Valid until the next call.
static const std::vector<bool> & llama_native_find_masked_tiles(const char * rows, size_t stride, int count, int64_t cells, int64_t tile) {
    for (const auto & known : llama_native_tiles) {
        if (known.rows == rows && known.count == count) return known.masked;
    }
    std::vector<bool> masked((cells + tile - 1) / tile, true);
    for (int i = 0; i < count; i++) {
        const auto * row = (const uint16_t *) (rows + i * stride);
        for (int64_t cell = 0; (cell = llama_native_next_unmasked(row, cell, cells)) < cells; cell = (cell / tile + 1) * tile) {
            masked[cell / tile] = false;
        }
    }
    llama_native_tiles.push_back({ rows, count, std::move(masked) });
    return llama_native_tiles.back().masked;
}

// Writes keys, `stride` bytes apart and of `length` half-precision numbers, as the columns of a matrix that is `width` wide. Returns how
// many it wrote: the rest, fewer than eight or all, is left to the caller.
template <typename Convert>
static int llama_native_pack_keys(float * columns, const char * keys, size_t stride, int count, int64_t length, int64_t width, Convert convert) {
#ifdef __AVX__
    constexpr int64_t longest = 512;
    if (length % 8 != 0 || length > longest) return 0;
    alignas(32) float rows[8 * longest];
    int key = 0;
    for (; key + 8 <= count; key += 8) {
        for (int i = 0; i < 8; i++) convert((const uint16_t *) (keys + (key + i) * stride), rows + i * length, length);
        for (int64_t at = 0; at < length; at += 8) {
            __m256 r[8], t[8];
            for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(rows + i * length + at);
            for (int i = 0; i < 4; i++) {
                t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for (int i = 0; i < 2; i++) {
                r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
                r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
                r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
                r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
            }
            for (int i = 0; i < 4; i++) {
                _mm256_storeu_ps(columns + (at + i) * width + key, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
                _mm256_storeu_ps(columns + (at + i + 4) * width + key, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
            }
        }
    }
    return key;
#else
    return 0;
#endif
}

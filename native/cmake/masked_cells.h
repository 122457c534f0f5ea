#pragma once

// Passing over KV cells that attention masks out; see patches.cmake.

#include <cstdint>
#include <cstring>
#include <vector>

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

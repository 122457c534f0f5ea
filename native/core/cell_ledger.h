#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace llama_native {

// Mirrors which KV cells each sequence holds, so that the scheduler knows exactly how many are free. llama.cpp shares a
// cell between sequences that have a prefix in common, and frees it with its last owner; it does not tell counts.
// Pure bookkeeping; belongs to the engine's thread.
class CellLedger {
public:
    CellLedger(size_t sequences, size_t capacity) : cells(sequences), capacity_(capacity) {}

    size_t capacity() const { return capacity_; }
    size_t used() const { return used_; }
    size_t free() const { return capacity_ - used_; }
    size_t length(int32_t sequence) const { return cells[size_t(sequence)].size(); }

    // Cells that dropping the sequence would free, and whether it shares none.
    size_t exclusive(int32_t sequence) const;
    bool   shares_nothing(int32_t sequence) const { return exclusive(sequence) == length(sequence); }

    // Cells that the first `length` positions of any of these sequences hold, each counted once.
    struct Part {
        int32_t sequence = -1;
        size_t  length = 0;
    };
    size_t held_by(const std::vector<Part> & parts) const;

    // The caller has made sure that `count` cells are free.
    void append(int32_t sequence, size_t count);
    void truncate(int32_t sequence, size_t length) { erase(sequence, length, this->length(sequence)); }
    void erase(int32_t sequence, size_t begin, size_t end);
    void drop(int32_t sequence) { truncate(sequence, 0); }
    // `to`, which must be empty, shares the first `length` cells of `from`.
    void share(int32_t from, int32_t to, size_t length);

private:
    std::vector<std::vector<uint32_t>> cells;   // per sequence: cell of each position
    std::vector<uint32_t>              owners;  // per cell
    std::vector<uint32_t>              vacant;
    size_t                             capacity_;
    size_t                             used_ = 0;
};

} // namespace llama_native

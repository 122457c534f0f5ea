#pragma once

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <utility>
#include <vector>

namespace llama_native {

// The prefix cache's second tier: states of sequences that had to leave the KV cache, in RAM, within a number of bytes;
// the least recently used go first. Pure; belongs to the engine's thread.
class SequenceStore {
public:
    struct Entry {
        std::vector<llama_token> tokens;
        std::vector<uint8_t>     state;
        size_t bytes() const { return tokens.size() * sizeof(llama_token) + state.size(); }
    };

    // `goes_on` tells whether a sequence can go on behind `common` tokens of a stored one of `length`: not every memory can be cut.
    using GoesOn = std::function<bool(size_t length, size_t common)>;
    SequenceStore(size_t bytes, GoesOn goes_on) : limit(bytes), goes_on(std::move(goes_on)) {}

    // Whether a sequence of so many tokens and bytes of state should be put: it fits, and no other can stand for it.
    bool wants(const std::vector<llama_token> & tokens, size_t state_bytes) const;
    // Takes the place of those that it can stand for: its beginnings.
    void put(Entry && entry);

    // The entry that most tokens of the beginning of `tokens` can be taken from, and how many; null where there is none.
    struct Match {
        const Entry * entry;
        size_t        common;
    };
    Match find(const llama_token * tokens, size_t size) const;
    // Removes an entry, whose tokens will be in the KV cache again.
    Entry take(const Entry * entry);

    size_t bytes() const { return used; }
    size_t size() const { return entries.size(); }

private:
    void remove(std::list<Entry>::iterator entry);

    size_t           limit;
    GoesOn           goes_on;
    size_t           used = 0;
    std::list<Entry> entries;  // most recently put first
};

} // namespace llama_native

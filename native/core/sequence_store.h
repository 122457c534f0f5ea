#pragma once

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <list>
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

    explicit SequenceStore(size_t bytes) : limit(bytes) {}

    // Whether a sequence of so many tokens and bytes of state should be put: it fits, and no other begins with it.
    bool wants(const std::vector<llama_token> & tokens, size_t state_bytes) const;
    // Takes the place of those that are its beginning.
    void put(Entry && entry);

    // The entry that has most of its tokens in common with the beginning of `tokens`, and how many; null where none has
    // any.
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
    size_t           used = 0;
    std::list<Entry> entries;  // most recently put first
};

} // namespace llama_native

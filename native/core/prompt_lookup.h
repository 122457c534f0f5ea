#pragma once

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace llama_native {

// Drafts the next tokens of a text that repeats itself (quotes its prompt, edits code): what followed the last time that
// the same few tokens came up. Remembers where each run of tokens was, so that a draft costs the same at any length. Pure.
class PromptLookup {
public:
    // `history` is the text so far, longer than at the last call or begun anew after `reset`. At most `limit` tokens.
    std::vector<llama_token> draft(const std::vector<llama_token> & history, size_t limit);
    void reset() { *this = PromptLookup(); }

private:
    struct Index {
        size_t                               run;  // tokens that have to agree
        std::unordered_map<uint64_t, size_t> next = {};  // hash of such a run: the place behind its last occurrence
    };
    Index  indexes[2] = { { 3 }, { 2 } };  // the longer is asked first
    size_t indexed = 0;
};

} // namespace llama_native

#include "core/prompt_lookup.h"

#include "core/fnv1a.h"

#include <algorithm>

namespace llama_native {

namespace {

uint64_t hash_run(const llama_token * tokens, size_t count) {
    uint64_t hash = fnv1a_start;
    for (size_t i = 0; i < count; i++) hash = fnv1a(hash, uint32_t(tokens[i]));
    return hash;
}

} // namespace

std::vector<llama_token> PromptLookup::draft(const std::vector<llama_token> & history, size_t limit) {
    // Runs that end before the last token; the last one's is looked up, and not yet its own answer.
    for (; indexed + 1 < history.size(); indexed++) {
        for (auto & index : indexes) {
            if (indexed + 1 >= index.run) index.next[hash_run(&history[indexed + 1 - index.run], index.run)] = indexed + 1;
        }
    }
    for (const auto & index : indexes) {
        if (history.size() <= index.run || limit == 0) continue;
        const auto found = index.next.find(hash_run(&history[history.size() - index.run], index.run));
        if (found == index.next.end()) continue;
        const size_t from = found->second;
        // Different runs may have the same hash.
        if (!std::equal(history.end() - std::ptrdiff_t(index.run), history.end(), history.begin() + std::ptrdiff_t(from - index.run))) continue;
        const size_t count = std::min(limit, history.size() - from);
        return std::vector<llama_token>(history.begin() + std::ptrdiff_t(from), history.begin() + std::ptrdiff_t(from + count));
    }
    return {};
}

} // namespace llama_native

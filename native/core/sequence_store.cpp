#include "core/sequence_store.h"

#include "core/schedule.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace llama_native {

namespace {

size_t common_with(const SequenceStore::Entry & entry, const llama_token * tokens, size_t size) {
    return common_prefix(entry.tokens.data(), entry.tokens.size(), tokens, size);
}

} // namespace

bool SequenceStore::wants(const std::vector<llama_token> & tokens, size_t state_bytes) const {
    if (tokens.size() * sizeof(llama_token) + state_bytes > limit) return false;
    return std::none_of(entries.begin(), entries.end(), [&](const Entry & entry) {
        return common_with(entry, tokens.data(), tokens.size()) == tokens.size() && goes_on(entry.tokens.size(), tokens.size());
    });
}

void SequenceStore::put(Entry && entry) {
    for (auto it = entries.begin(); it != entries.end();) {
        const auto next = std::next(it);
        const size_t length = it->tokens.size();
        if (common_with(*it, entry.tokens.data(), entry.tokens.size()) == length && goes_on(entry.tokens.size(), length)) remove(it);
        it = next;
    }
    used += entry.bytes();
    entries.push_front(std::move(entry));
    while (used > limit) remove(std::prev(entries.end()));
}

SequenceStore::Match SequenceStore::find(const llama_token * tokens, size_t size) const {
    Match best{ nullptr, 0 };
    for (const Entry & entry : entries) {
        const size_t common = common_with(entry, tokens, size);
        if (common > best.common && goes_on(entry.tokens.size(), common)) best = { &entry, common };
    }
    return best;
}

SequenceStore::Entry SequenceStore::take(const Entry * wanted) {
    const auto it = std::find_if(entries.begin(), entries.end(), [&](const Entry & entry) { return &entry == wanted; });
    Entry      entry = std::move(*it);
    used -= entry.bytes();
    entries.erase(it);
    return entry;
}

void SequenceStore::remove(std::list<Entry>::iterator entry) {
    used -= entry->bytes();
    entries.erase(entry);
}

} // namespace llama_native

#include "check.h"
#include "core/sequence_store.h"

using namespace llama_native;

namespace {

SequenceStore::Entry entry(std::vector<llama_token> tokens, size_t bytes) { return { std::move(tokens), std::vector<uint8_t>(bytes) }; }

bool anywhere(size_t, size_t) { return true; }
bool at_the_end(size_t length, size_t common) { return common == length; }

} // namespace

TEST("the stored sequence with the longest common beginning is found, and taken out once") {
    SequenceStore store(1000, anywhere);
    store.put(entry({ 1, 2, 3, 4 }, 10));
    store.put(entry({ 1, 2, 9 }, 10));
    const llama_token wanted[] = { 1, 2, 3, 7 };
    const auto        match = store.find(wanted, 4);
    EQUAL(match.common, 3u);
    EQUAL(store.take(match.entry).tokens.size(), 4u);
    EQUAL(store.find(wanted, 4).common, 2u);
    EQUAL(store.bytes(), 10u + 3 * sizeof(llama_token));
    const llama_token other[] = { 5 };
    CHECK(store.find(other, 1).entry == nullptr);
}

TEST("a sequence that another begins with is not stored twice") {
    SequenceStore store(1000, anywhere);
    store.put(entry({ 1, 2, 3 }, 10));
    CHECK(!store.wants({ 1, 2 }, 10));
    CHECK(!store.wants({ 1, 2, 3 }, 10));
    CHECK(store.wants({ 1, 2, 4 }, 10));
    store.put(entry({ 1, 2, 3, 4 }, 10));  // takes the place of its beginning
    EQUAL(store.size(), 1u);
}

TEST("the oldest leave when there are too many bytes, and what is too large is not wanted") {
    SequenceStore store(100, anywhere);
    CHECK(!store.wants({ 1 }, 100));
    store.put(entry({ 1 }, 40));
    store.put(entry({ 2 }, 40));
    store.put(entry({ 3 }, 40));
    EQUAL(store.size(), 2u);
    const llama_token first[] = { 1 };
    CHECK(store.find(first, 1).entry == nullptr);
}

TEST("where sequences go on at their end alone, a shorter one that is continued whole is found, and kept beside longer ones") {
    SequenceStore store(1000, at_the_end);
    store.put(entry({ 1, 2 }, 10));
    CHECK(store.wants({ 1 }, 10));
    store.put(entry({ 1, 2, 3, 4 }, 10));
    EQUAL(store.size(), 2u);
    CHECK(!store.wants({ 1, 2 }, 10));
    const llama_token wanted[] = { 1, 2, 3, 7 };
    const auto        match = store.find(wanted, 4);
    EQUAL(match.common, 2u);
    EQUAL(match.entry->tokens.size(), 2u);
}

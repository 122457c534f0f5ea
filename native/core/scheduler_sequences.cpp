// The scheduler's low-level sequences: tokens evaluated by hand, and sequence states saved and restored.

#include "core/scheduler.h"

#include "core/fnv1a.h"
#include "core/runtime.h"

#include <algorithm>
#include <cstring>

namespace llama_native {

namespace {

// A saved sequence: this header, the tokens, llama.cpp's state, and a checksum of all of that.
struct SavedHeader {
    char     magic[8] = { 'L', 'L', 'M', 'N', 'S', 'E', 'Q', '2' };
    uint64_t fingerprint = 0;
    uint64_t token_count = 0;
    uint64_t state_bytes = 0;
};

// FNV-1a of words instead of bytes, four in turns, as gigabytes are no rarity and the context's other requests wait meanwhile.
uint64_t checksum(const uint8_t * data, size_t size) {
    uint64_t     lanes[4] = { fnv1a_start, fnv1a_start + 1, fnv1a_start + 2, fnv1a_start + 3 };
    const size_t whole = size - size % sizeof lanes;
    for (size_t i = 0; i < whole; i += sizeof lanes) {
        uint64_t words[4];
        std::memcpy(words, data + i, sizeof words);
        for (int lane = 0; lane < 4; lane++) lanes[lane] = fnv1a(lanes[lane], words[lane]);
    }
    uint64_t hash = fnv1a_start;
    for (const uint64_t lane : lanes) hash = fnv1a(hash, lane);
    for (size_t i = whole; i < size; i++) hash = fnv1a(hash, data[i]);
    return hash;
}

[[noreturn]] void bad_state(const std::string & reason) {
    throw Error("INVALID_OPTION", "Expected a state saved by this version from a sequence of the same model for restore: " + reason);
}

SavedHeader read_header(const std::vector<uint8_t> & state, uint64_t fingerprint) {
    SavedHeader header;
    const SavedHeader expected;
    if (state.size() < sizeof header + sizeof(uint64_t)) bad_state("it is too short");
    std::memcpy(&header, state.data(), sizeof header);
    if (std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0) bad_state("it is something else");
    if (header.fingerprint != fingerprint) bad_state("it is of another model");
    const size_t body = state.size() - sizeof header - sizeof(uint64_t);
    if (header.token_count > body / sizeof(llama_token) ||
        header.token_count * sizeof(llama_token) + header.state_bytes != body) {
        bad_state("it is truncated");
    }
    uint64_t stored = 0;
    std::memcpy(&stored, state.data() + state.size() - sizeof stored, sizeof stored);
    if (stored != checksum(state.data(), state.size() - sizeof stored)) bad_state("it is damaged");
    return header;
}

} // namespace

Scheduler::Slot & Scheduler::low_level(int32_t sequence) {
    if (sequence < 0 || size_t(sequence) >= slots.size() || slots[size_t(sequence)].use != Slot::Use::LowLevel) {
        throw Error("INVALID_OPTION", "Expected an open sequence but received " + std::to_string(sequence));
    }
    return slots[size_t(sequence)];
}

int32_t Scheduler::open_sequence() {
    const auto open = static_cast<size_t>(
        std::count_if(slots.begin(), slots.end(), [](const Slot & slot) { return slot.use == Slot::Use::LowLevel; }));
    const int32_t slot = open + max_running < slots.size() ? take_free_slot(-1) : -1;
    if (slot < 0) {
        throw Error("QUEUE_FULL", "All " + std::to_string(slots.size() - max_running) + " low-level sequences of this context are in use; " +
            "dispose one, or create the context with more sequences", { { "openSequences", double(open) } });
    }
    slots[size_t(slot)].use = Slot::Use::LowLevel;
    return slot;
}

void Scheduler::close_sequence(int32_t sequence) {
    low_level(sequence);
    drop(sequence);
    update_stats();
}

int32_t Scheduler::fork_sequence(int32_t sequence) {
    low_level(sequence);
    const int32_t fork = open_sequence();
    slots[size_t(fork)].tokens = slots[size_t(sequence)].tokens;
    llama_memory_seq_cp(decoder.memory(), sequence, fork, -1, -1);
    ledger.share(sequence, fork, ledger.length(sequence));
    return fork;
}

void Scheduler::truncate_sequence(int32_t sequence, size_t length) {
    Slot & slot = low_level(sequence);
    if (length > slot.tokens.size()) {
        throw Error("INVALID_OPTION", "Expected a length of at most " + std::to_string(slot.tokens.size()) +
            " for truncate but received " + std::to_string(length));
    }
    if (length == slot.tokens.size()) return;
    if (length > 0 && !decoder.model().can_truncate()) {
        throw Error("INVALID_OPTION", "This model's memory can only be cleared: expected 0 for truncate but received " + std::to_string(length));
    }
    if (length > 0 && !window_is_whole(sequence, length)) {
        throw Error("INVALID_OPTION", "The sequence was restored without the tokens that its sliding window had passed: expected 0 or " +
            std::to_string(slot.tokens.size()) + " for truncate but received " + std::to_string(length));
    }
    cut(sequence, length);
    update_stats();
}

size_t Scheduler::sequence_length(int32_t sequence) { return low_level(sequence).tokens.size(); }

size_t Scheduler::take_back(int32_t sequence, size_t length) {
    Slot & slot = low_level(sequence);
    if (slot.tokens.size() > length) cut(sequence, length);
    update_stats();
    return slot.tokens.size();
}

size_t Scheduler::evaluate(int32_t sequence, const std::vector<llama_token> & tokens, size_t offset, Logits which, std::vector<float> & out) {
    Slot &       slot = low_level(sequence);
    const size_t limit = which == Logits::All ? size_t(std::min(decoder.max_outputs(), decoder.batch_capacity())) : size_t(decoder.batch_capacity());
    const size_t count = std::min(tokens.size() - offset, limit);
    if (!make_room(tokens.size() - offset, -1)) {
        throw Error("CONTEXT_OVERFLOW", "The context has room for " + std::to_string(ledger.free()) + " more tokens, but " +
                std::to_string(tokens.size() - offset) + " were to be evaluated",
            { { "tokens", double(tokens.size()) }, { "freeTokens", double(ledger.free()) }, { "contextSize", double(ledger.capacity()) } });
    }
    decoder.clear_batch();
    std::vector<int32_t> outputs;
    for (size_t i = 0; i < count; i++) {
        const bool last = offset + i + 1 == tokens.size();
        const bool output = which == Logits::All || (which == Logits::Last && last);
        const int32_t index = decoder.add(tokens[offset + i], llama_pos(slot.tokens.size() + i), sequence, output);
        if (output) outputs.push_back(index);
    }
    decoder.clear_abort();
    Decoder::Outcome outcome;
    try {
        outcome = decoder.decode();
    } catch (const Error &) {
        cut(sequence, slot.tokens.size());  // what came before the failure is in memory
        throw;
    }
    if (outcome != Decoder::Outcome::Done) {
        cut(sequence, slot.tokens.size());
        if (outcome == Decoder::Outcome::Aborted) throw Error("DISPOSED", "The context has been disposed");
        throw Error("CONTEXT_OVERFLOW", "The context has no room for these tokens", { { "contextSize", double(ledger.capacity()) } });
    }
    ledger.append(sequence, count);
    slot.tokens.insert(slot.tokens.end(), tokens.begin() + std::ptrdiff_t(offset), tokens.begin() + std::ptrdiff_t(offset + count));
    for (const int32_t index : outputs) {
        const float * row = decoder.logits(index);
        out.insert(out.end(), row, row + decoder.model().vocabulary_size());
    }
    counters.evaluated_tokens += count;
    update_stats();
    return count;
}

std::vector<uint8_t> Scheduler::save_sequence(int32_t sequence) {
    const Slot & slot = low_level(sequence);
    SavedHeader  header;
    header.fingerprint = decoder.model().fingerprint();
    header.token_count = slot.tokens.size();
    header.state_bytes = llama_state_seq_get_size(decoder.context(), sequence);

    const size_t         tokens_bytes = slot.tokens.size() * sizeof(llama_token);
    std::vector<uint8_t> state(sizeof header + tokens_bytes + header.state_bytes + sizeof(uint64_t));
    std::memcpy(state.data(), &header, sizeof header);
    if (tokens_bytes) std::memcpy(state.data() + sizeof header, slot.tokens.data(), tokens_bytes);
    const size_t written = llama_state_seq_get_data(decoder.context(), state.data() + sizeof header + tokens_bytes, header.state_bytes, sequence);
    if (written != header.state_bytes) throw Error("DECODE", "llama.cpp could not save the sequence's state");
    const uint64_t sum = checksum(state.data(), state.size() - sizeof sum);
    std::memcpy(state.data() + state.size() - sizeof sum, &sum, sizeof sum);
    return state;
}

std::vector<llama_token> Scheduler::restore_sequence(int32_t sequence, const std::vector<uint8_t> & state) {
    Slot &            slot = low_level(sequence);
    const SavedHeader header = read_header(state, decoder.model().fingerprint());
    std::vector<llama_token> tokens(header.token_count);
    if (!tokens.empty()) std::memcpy(tokens.data(), state.data() + sizeof header, tokens.size() * sizeof(llama_token));
    for (const llama_token token : tokens) decoder.model().check_token(token, "restore");

    // What it holds now goes, but not before it is known that the other has room.
    const auto room_left = [&] { return ledger.free() + ledger.exclusive(sequence); };
    while (room_left() < tokens.size()) {
        if (evict_one(-1)) continue;
        const size_t room = room_left();
        throw Error("CONTEXT_OVERFLOW", "The saved sequence has " + std::to_string(tokens.size()) + " tokens, but the context has room for " +
                std::to_string(room),
            { { "tokens", double(tokens.size()) }, { "freeTokens", double(room) }, { "contextSize", double(ledger.capacity()) } });
    }
    cut(sequence, 0);
    Guard          guard;
    const uint8_t * data = state.data() + sizeof header + tokens.size() * sizeof(llama_token);
    if (!tokens.empty() && !load_state(sequence, data, header.state_bytes)) {
        throw Error("INVALID_OPTION", "The saved sequence does not fit this context; its KV cache types must be the same", { { "length", 0.0 } }, guard.log());
    }
    ledger.append(sequence, tokens.size());
    slot.tokens = tokens;
    update_stats();
    return tokens;
}

} // namespace llama_native

// The scheduler's admission of requests and its use of the KV cache: prefixes to reuse, sequences to evict.

#include "core/scheduler.h"

#include <algorithm>
#include <new>

namespace llama_native {

namespace {

// Tokens that a prefix still being evaluated for another request must add to what is cached already, for a new request
// to wait for it instead of evaluating it a second time.
constexpr size_t shared_prefix_worth_waiting = 64;

// Fewer are evaluated again as fast as they are copied to the second tier and back.
constexpr size_t least_tokens_to_store = 64;

} // namespace

void Scheduler::admit() {
    for (auto it = waiting.begin(); it != waiting.end() && running.size() < max_running;) {
        const auto next = std::next(it);
        switch (try_admit(**it)) {
            case Admission::Admitted: running.splice(running.end(), waiting, it); break;
            case Admission::Later: break;
            case Admission::NoRoom:
                if (!running.empty()) return;
                finish(**it, EndReason::Error,
                    Error("CONTEXT_OVERFLOW",
                        "The prompt has " + std::to_string((*it)->history.size()) + " tokens, but the context's low-level " +
                            "sequences leave room for " + std::to_string(ledger.free()),
                        { { "promptTokens", double((*it)->history.size()) }, { "contextSize", double(ledger.capacity()) } }));
                break;
        }
        it = next;
    }
    remove_ended();
}

Scheduler::Admission Scheduler::try_admit(Run & run) {
    PrefixMatch match;
    if (run.request.cache_prompt) {
        fetch_stored(run);
        match = best_prefix(run);
        if (worth_waiting_for_prefix(run, match.length)) return Admission::Later;
        if (match.checkpoint) checkpoint_budget.touch(*match.checkpoint);
    } else if (running.empty()) {
        forget_cached();
    }

    // Nothing has to go for a request that would have no room then either.
    if (!may_fit(run, match)) return Admission::NoRoom;
    const auto need = [&] { return cells_of(run) - match.length + promised(); };
    if (!make_room(need(), match.slot)) {
        if (match.slot < 0 || slots[size_t(match.slot)].use != Slot::Use::Cached) return Admission::NoRoom;
        // What the matching sequence has beyond the match is in the way, or even the match itself is.
        store(match.slot);
        if (decoder.model().can_truncate()) match.length = cut(match.slot, match.length);
        if (!make_room(need(), match.slot)) {
            drop(match.slot);
            match = {};
            if (!make_room(need(), -1)) return Admission::NoRoom;
        }
    }
    run.slot = place(match);
    if (run.slot < 0) return Admission::NoRoom;
    Slot & slot = slots[size_t(run.slot)];
    slot.use = Slot::Use::Running;
    slot.run = &run;
    slot.tokens.clear();
    run.evaluated = match.length;
    if (!run.admitted_before) {
        run.admitted_before = true;
        run.admitted = Clock::now();
        run.cached = int32_t(match.length);
        counters.cached_tokens += match.length;
        counters.cache_hits += match.length > 0;
    }
    return Admission::Admitted;
}

// Room for the prompt and the first generated token.
size_t Scheduler::cells_of(const Run & run) const { return std::min(run.history.size() + 1, ledger.capacity()); }

// What those that run have yet to evaluate.
size_t Scheduler::promised() const {
    size_t cells = 0;
    for (const auto & run : running) cells += run->pending();
    return cells;
}

// Cells that would be free if all cached sequences went, but for the beginning of one.
size_t Scheduler::room_without_cached(CellLedger::Part kept) const {
    std::vector<CellLedger::Part> parts;
    for (size_t i = 0; i < slots.size(); i++) {
        if (slots[i].use == Slot::Use::Running || slots[i].use == Slot::Use::LowLevel) parts.push_back({ int32_t(i), ledger.length(int32_t(i)) });
    }
    if (kept.length > 0) parts.push_back(kept);
    return ledger.capacity() - ledger.held_by(parts);
}

// Whether a request fits once everything cached has gone, with or without the sequence that it could begin with.
bool Scheduler::may_fit(const Run & run, const PrefixMatch & match) const {
    const size_t need = cells_of(run) + promised();
    if (ledger.free() >= need - match.length) return true;
    if (match.slot < 0) return room_without_cached({}) >= need;
    const bool   is_cached = slots[size_t(match.slot)].use == Slot::Use::Cached;
    const size_t kept = decoder.model().can_truncate() ? match.length : ledger.length(match.slot);
    if (is_cached && room_without_cached({}) >= need) return true;
    return room_without_cached({ match.slot, kept }) >= need - match.length;
}

Scheduler::Content Scheduler::content(int32_t index) const {
    const Slot & slot = slots[size_t(index)];
    if (slot.use == Slot::Use::Running) return { slot.run->history.data(), slot.run->evaluated };
    return { slot.tokens.data(), slot.tokens.size() };
}

// The longest prefix of the request that some sequence has in memory. At least one token is left to evaluate, for its
// logits.
Scheduler::PrefixMatch Scheduler::best_prefix(const Run & run) const {
    PrefixMatch best;
    for (int32_t slot = 0; slot < int32_t(slots.size()); slot++) {
        if (slots[size_t(slot)].use == Slot::Use::Free) continue;
        const Content held = content(slot);
        const Run *   other = slots[size_t(slot)].run;
        const size_t  pristine = other ? std::min(held.size, other->pristine) : held.size;
        const size_t  common = common_prefix(run.history.data(), run.history.size() - 1, held.tokens, pristine);
        PrefixMatch   usable = usable_prefix(slot, common);
        if (usable.length > best.length) best = std::move(usable);
    }
    return best;
}

// How much of a common prefix can really be taken from a sequence's memory: all of it where the sequence is continued
// whole; a part only where the memory keeps every position, or what it lacks is in a checkpoint (recurrent state), or it
// still has the window before (sliding window).
Scheduler::PrefixMatch Scheduler::usable_prefix(int32_t slot, size_t common) const {
    if (common == 0 || common == content(slot).size) return { slot, common, nullptr };
    if (!decoder.model().can_truncate()) {
        auto checkpoint = last_checkpoint(slots[size_t(slot)].checkpoints, common);
        if (!checkpoint) return {};
        const size_t length = checkpoint->position;
        return { slot, length, std::move(checkpoint) };
    }
    return window_is_whole(slot, common) ? PrefixMatch{ slot, common, nullptr } : PrefixMatch{};
}

// Whether the memory has all that a token behind the first `length` ones attends to: cells that a sequence's sliding window has
// passed are used for others, and saving it leaves them out.
bool Scheduler::window_is_whole(int32_t slot, size_t length) const {
    if (sliding_window <= 0) return true;
    return llama_memory_seq_pos_min(decoder.memory(), slot) <= std::max(0, llama_pos(length) - sliding_window + 1);
}

bool Scheduler::worth_waiting_for_prefix(const Run & run, size_t found) const {
    if (!decoder.model().can_truncate() || sliding_window > 0) return false;
    for (const auto & other : running) {
        if (other->pending() <= 1) continue;
        const size_t common = common_prefix(run.history.data(), run.history.size() - 1, other->history.data(), other->history.size());
        if (common > other->evaluated && common >= found + shared_prefix_worth_waiting) return true;
    }
    return false;
}

// Gives the request a slot that holds the matching prefix: the matching sequence itself where nothing else is lost by
// taking it over, else a new one that shares its cells. -1 where no slot is left. The match becomes empty where its
// checkpoint cannot be loaded.
int32_t Scheduler::place(PrefixMatch & match) {
    if (match.length == 0) return take_free_slot(-1);
    const bool cached = slots[size_t(match.slot)].use == Slot::Use::Cached;
    const bool whole = content(match.slot).size == match.length;
    if (cached && whole) return match.slot;

    int32_t slot = take_free_slot(match.slot);
    if (slot >= 0) {
        // A checkpoint takes the place of a state that is copied whole.
        const size_t length = match.checkpoint ? ledger.length(match.slot) : match.length;
        llama_memory_seq_cp(decoder.memory(), match.slot, slot, -1, whole || match.checkpoint ? -1 : llama_pos(length));
        ledger.share(match.slot, slot, length);
        slots[size_t(slot)].checkpoints = slots[size_t(match.slot)].checkpoints;
        slots[size_t(match.slot)].last_used = ++tick;
    } else {
        if (!cached) return -1;
        slot = match.slot;
        store(slot);
    }
    if (match.checkpoint) {
        if (!rewind(slot, *match.checkpoint)) match = {};
    } else if (slot == match.slot) {
        match.length = cut(slot, match.length);
    }
    return slot;
}

// Makes a sequence what it was at one of its checkpoints; where that fails it becomes empty.
bool Scheduler::rewind(int32_t slot, const Checkpoint & checkpoint) {
    const size_t read = llama_state_seq_set_data_ext(decoder.context(), checkpoint.state.data(), checkpoint.state.size(), slot,
        LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY);
    cut(slot, read > 0 ? checkpoint.position : 0);
    return read > 0 && ledger.length(slot) == checkpoint.position;
}

// Keeps the state of a prompt's evaluation where that has stopped for it. Not where a sliding window stands beside recurrent
// state: reloaded in a full cache, one in a dozen gave answers that were slightly wrong (llama.cpp v0.5.0; test/native/
// memories.test.ts, "had to give way", shows it). Such sequences are continued whole only.
void Scheduler::save_checkpoint(const Run & run) {
    if (decoder.model().can_truncate() || sliding_window > 0 || run.evaluated >= run.prompt_size) return;
    if (run.evaluated != next_checkpoint(run.evaluated - 1, run.prompt_size)) return;  // cut short by its budget
    Checkpoints & checkpoints = slots[size_t(run.slot)].checkpoints;
    if (!checkpoints.empty() && checkpoints.back()->position >= run.evaluated) return;
    try {
        const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint{ run.evaluated, {}, 0 });
        auto &     state = checkpoint->state;
        state.resize(llama_state_seq_get_size_ext(decoder.context(), run.slot, LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY));
        const size_t written = llama_state_seq_get_data_ext(decoder.context(), state.data(), state.size(), run.slot,
            LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY);
        if (written == state.size() && written > 0 && checkpoint_budget.admit(checkpoint)) checkpoints.push_back(checkpoint);
    } catch (const std::bad_alloc &) {
        // As in `store`.
    }
}

int32_t Scheduler::take_free_slot(int32_t keep) {
    const auto find = [&] {
        for (size_t i = 0; i < slots.size(); i++) {
            if (slots[i].use == Slot::Use::Free) return int32_t(i);
        }
        return -1;
    };
    const int32_t slot = find();
    return slot >= 0 || !evict_one(keep) ? slot : find();
}

bool Scheduler::evict_one(int32_t keep) {
    std::vector<SlotView> views;
    for (size_t i = 0; i < slots.size(); i++) {
        views.push_back({ int32_t(i), slots[i].use == Slot::Use::Cached, slots[i].last_used });
    }
    const auto victim = least_recently_used(views, keep);
    if (!victim) return false;
    store(*victim);
    drop(*victim);
    counters.evictions++;
    return true;
}

// Moves what a sequence holds to the second tier, where there is one.
void Scheduler::store(int32_t index) {
    const auto & tokens = slots[size_t(index)].tokens;
    if (tokens.size() < least_tokens_to_store) return;
    const size_t size = llama_state_seq_get_size(decoder.context(), index);
    if (!sequence_store.wants(tokens, size)) return;
    try {
        std::vector<uint8_t> state(size);
        if (llama_state_seq_get_data(decoder.context(), state.data(), size, index) != size) return;
        sequence_store.put({ tokens, std::move(state) });
    } catch (const std::bad_alloc &) {
        // Evaluating it again costs time; failing for it would cost the requests.
    }
}

// Whether a sequence can go on behind `common` of a stored one's tokens: behind a state that cannot be cut, or that was saved without
// what its window had passed, only at its end.
bool Scheduler::goes_on(size_t length, size_t common) const {
    if (common == length) return true;
    return decoder.model().can_truncate() && (sliding_window == 0 || length <= size_t(sliding_window));
}

// Brings a sequence of the second tier back where it has more of a request's prompt than any that is in the KV cache.
void Scheduler::fetch_stored(const Run & run) {
    const auto stored = sequence_store.find(run.history.data(), run.history.size() - 1);
    if (!stored.entry || stored.common < best_prefix(run).length + least_tokens_to_store) return;
    const size_t need = stored.entry->tokens.size() + run.history.size() - stored.common + 1 + promised();
    if (need > room_without_cached({})) return;
    // Making room may store others, which must not push this one out.
    const SequenceStore::Entry entry = sequence_store.take(stored.entry);
    const int32_t              index = make_room(need, -1) ? take_free_slot(-1) : -1;
    if (index < 0 || !load_state(index, entry.state.data(), entry.state.size())) return;
    ledger.append(index, entry.tokens.size());
    Slot & slot = slots[size_t(index)];
    slot.tokens = entry.tokens;
    slot.use = Slot::Use::Cached;
    slot.last_used = ++tick;
    counters.restored_sequences++;
}

// False where the state cannot be read; the sequence is empty then.
bool Scheduler::load_state(int32_t index, const uint8_t * state, size_t size) {
    size_t read = 0;
    try {
        read = llama_state_seq_set_data(decoder.context(), state, size, index);
    } catch (const std::exception &) {
        read = 0;
    }
    if (read == 0) llama_memory_seq_rm(decoder.memory(), index, -1, -1);
    return read > 0;
}

bool Scheduler::make_room(size_t cells, int32_t keep) {
    while (ledger.free() < cells) {
        if (!evict_one(keep)) return false;
    }
    return true;
}

// Makes a request that runs alone and uses no cache repeatable to the last bit: the order in which attention sums depends
// on which cells its tokens come to lie in, so it begins as in a new context.
void Scheduler::forget_cached() {
    while (evict_one(-1)) {
    }
    if (ledger.used() == 0) llama_memory_clear(decoder.memory(), /* data */ false);
}

// Evicts a cached sequence, or else sends the youngest request back to wait. False where neither is possible.
bool Scheduler::reclaim() { return evict_one(-1) || preempt_youngest(); }

bool Scheduler::preempt_youngest() {
    if (running.size() < 2) return false;
    auto youngest = running.begin();
    for (auto it = running.begin(); it != running.end(); ++it) {
        if ((*youngest)->urgency.before((*it)->urgency)) youngest = it;
    }
    Run & run = **youngest;
    drop(run.slot);
    run.slot = -1;
    run.evaluated = 0;
    run.pristine = SIZE_MAX;
    run.in_batch = 0;
    counters.preemptions++;
    const auto position = std::find_if(waiting.begin(), waiting.end(),
        [&](const auto & other) { return run.urgency.before(other->urgency); });
    waiting.splice(position, running, youngest);
    return true;
}

// Keeps the first `length` tokens of a sequence, or nothing where its memory cannot go on from there; returns what is left.
size_t Scheduler::cut(int32_t index, size_t length) {
    const bool shortens = llama_pos(length) < decoder.position_end(index);
    if (shortens && !window_is_whole(index, length)) length = 0;
    if (length == 0 || !llama_memory_seq_rm(decoder.memory(), index, llama_pos(length), -1)) {
        llama_memory_seq_rm(decoder.memory(), index, -1, -1);
        length = 0;
    }
    ledger.truncate(index, std::min(length, ledger.length(index)));
    truncate_checkpoints(slots[size_t(index)].checkpoints, length);
    auto & tokens = slots[size_t(index)].tokens;
    if (tokens.size() > length) tokens.resize(length);
    return length;
}

void Scheduler::drop(int32_t index) {
    cut(index, 0);
    slots[size_t(index)] = Slot();
}

} // namespace llama_native

// The scheduler's admission of requests and its use of the KV cache: prefixes to reuse, sequences to evict.

#include "core/scheduler.h"

#include <algorithm>

namespace llama_native {

namespace {

// Tokens that a prefix still being evaluated for another request must add to what is cached already, for a new request
// to wait for it instead of evaluating it a second time.
constexpr size_t shared_prefix_worth_waiting = 64;

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
        match = best_prefix(run);
        if (worth_waiting_for_prefix(run, match.length)) return Admission::Later;
    } else if (running.empty()) {
        forget_cached();
    }

    // Room for the rest of the prompt and the first generated token, beside what was promised to those that run.
    size_t promised = 0;
    for (const auto & other : running) promised += other->pending();
    const auto need = [&] { return std::min(run.history.size() + 1, ledger.capacity()) - match.length + promised; };
    if (!make_room(need(), match.slot)) {
        if (match.slot < 0 || slots[size_t(match.slot)].use != Slot::Use::Cached) return Admission::NoRoom;
        // What the matching sequence has beyond the match is in the way, or even the match itself is.
        if (decoder.model().can_truncate()) cut(match.slot, match.length);
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

Scheduler::Content Scheduler::content(int32_t index) const {
    const Slot & slot = slots[size_t(index)];
    if (slot.use == Slot::Use::Running) return { slot.run->history.data(), slot.run->evaluated };
    return { slot.tokens.data(), slot.tokens.size() };
}

// The longest prefix of the request that some sequence has in memory. At least one token is left to evaluate, for its
// logits.
PrefixMatch Scheduler::best_prefix(const Run & run) const {
    PrefixMatch best;
    for (int32_t slot = 0; slot < int32_t(slots.size()); slot++) {
        if (slots[size_t(slot)].use == Slot::Use::Free) continue;
        const Content held = content(slot);
        const size_t  common = common_prefix(run.history.data(), run.history.size() - 1, held.tokens, held.size);
        const size_t  usable = usable_prefix(slot, common);
        if (usable > best.length) best = { slot, usable };
    }
    return best;
}

// How much of a common prefix can really be taken from a sequence's memory: all of it where the sequence is continued
// whole; a part only where the memory keeps every position (recurrent state does not, a sliding window keeps its last).
size_t Scheduler::usable_prefix(int32_t slot, size_t common) const {
    if (common == 0 || common == content(slot).size) return common;
    if (!decoder.model().can_truncate()) return 0;
    if (sliding_window > 0) {
        const llama_pos oldest = llama_memory_seq_pos_min(decoder.memory(), slot);
        if (oldest > std::max(0, llama_pos(common) - sliding_window)) return 0;
    }
    return common;
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
// taking it over, else a new one that shares its cells. -1 where no slot is left.
int32_t Scheduler::place(const PrefixMatch & match) {
    if (match.length == 0) return take_free_slot(-1);
    const bool cached = slots[size_t(match.slot)].use == Slot::Use::Cached;
    const bool whole = content(match.slot).size == match.length;
    if (cached && whole) return match.slot;

    const int32_t slot = take_free_slot(match.slot);
    if (slot >= 0) {
        llama_memory_seq_cp(decoder.memory(), match.slot, slot, -1, whole ? -1 : llama_pos(match.length));
        ledger.share(match.slot, slot, match.length);
        slots[size_t(match.slot)].last_used = ++tick;
        return slot;
    }
    if (!cached) return -1;
    cut(match.slot, match.length);
    return match.slot;
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
    drop(*victim);
    counters.evictions++;
    return true;
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
    run.in_batch = 0;
    counters.preemptions++;
    const auto position = std::find_if(waiting.begin(), waiting.end(),
        [&](const auto & other) { return run.urgency.before(other->urgency); });
    waiting.splice(position, running, youngest);
    return true;
}

// Keeps the first `length` tokens of a sequence.
void Scheduler::cut(int32_t index, size_t length) {
    if (length == 0 || !llama_memory_seq_rm(decoder.memory(), index, llama_pos(length), -1)) {
        llama_memory_seq_rm(decoder.memory(), index, -1, -1);
        length = 0;
    }
    ledger.truncate(index, std::min(length, ledger.length(index)));
    auto & tokens = slots[size_t(index)].tokens;
    if (tokens.size() > length) tokens.resize(length);
}

void Scheduler::drop(int32_t index) {
    cut(index, 0);
    slots[size_t(index)] = Slot();
}

} // namespace llama_native

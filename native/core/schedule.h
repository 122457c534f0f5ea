#pragma once

#include "llama.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace llama_native {

// The scheduler's decisions as pure functions.

using Clock = std::chrono::steady_clock;
constexpr Clock::time_point never = Clock::time_point::max();

size_t common_prefix(const llama_token * a, size_t a_size, const llama_token * b, size_t b_size);

// Running averages of what a step costs, in milliseconds.
class StepCost {
public:
    // A step took `ms` for `decoding` single-token requests and `prompt` prompt tokens.
    void record(double ms, int32_t decoding, int32_t prompt);

    // A step of single tokens only, and one prompt token; 0 while not measured.
    double decode_ms() const { return decode; }
    double prompt_token_ms() const { return prompt_token; }

private:
    double decode = 0;
    double prompt_token = 0;
};

// Prompt tokens to take into a step beside `decoding` requests that are generating: all that fit when nobody waits for
// a token, else as many as keep the step within a small multiple of a step without them.
int32_t prompt_budget(const StepCost & cost, int32_t decoding, int32_t batch_size);

// Whether the events so far may wait for those of the next step: nobody waits for them in particular, they are one
// request's or few tokens, and the next step will end before the oldest of them has waited for `interval_ms`. Handing over
// costs the JS thread about the same for one token as for several, as nothing of it is in the processor's caches by then.
struct HeldEvents {
    size_t tokens;
    size_t running;      // requests
    bool   urgent;       // a first token or an end is among them
    double waited_ms;    // since the first of them
};
bool may_hold_back(const HeldEvents & held, double step_ms, double interval_ms);

struct SlotView {
    int32_t  slot;
    bool     cached;      // finished: may be taken over or evicted
    uint64_t last_used;   // larger is later
};

// The cached slot to evict: the least recently used one other than `keep`.
std::optional<int32_t> least_recently_used(const std::vector<SlotView> & slots, int32_t keep);

// Orders requests: higher priority first, then earlier arrival.
struct Urgency {
    int32_t  priority;
    uint64_t arrival;
    bool before(const Urgency & other) const {
        return priority != other.priority ? priority > other.priority : arrival < other.arrival;
    }
};

// The moment by which a request of `submitted` has to end; `timeout_ms` 0 means never.
Clock::time_point deadline_of(Clock::time_point submitted, double timeout_ms);

// Tells when the earliest of many deadlines has passed, for no more than a read of the clock. It may ring for a request
// that has ended since, never too late. To find out who is late: `reset`, then `add` every deadline that is left.
class Alarm {
public:
    void reset() { earliest.store(never.time_since_epoch().count(), std::memory_order_relaxed); }
    // From any thread.
    void add(Clock::time_point deadline);
    bool is_set() const { return earliest.load(std::memory_order_relaxed) != never.time_since_epoch().count(); }
    bool due(Clock::time_point now) const { return now.time_since_epoch().count() >= earliest.load(std::memory_order_relaxed); }

private:
    std::atomic<Clock::rep> earliest{ never.time_since_epoch().count() };
};

} // namespace llama_native

#pragma once

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace llama_native {

// The scheduler's decisions as pure functions.

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

// Whether the events so far may wait for those of the next step: few tokens that nobody waits for in particular, and the
// next step will end before the oldest of them has waited for `interval_ms`. Handing over costs the JS thread about the
// same for one token as for several.
struct HeldEvents {
    size_t tokens;
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

} // namespace llama_native

#include "core/schedule.h"

#include <algorithm>

namespace llama_native {

namespace {

constexpr double smoothing = 0.2;
// A step with prompt tokens may take this many times a step without.
constexpr double  stretch = 2.4;
// Tokens that the processor's kernels take at a time are a multiple of this.
constexpr int32_t group = 2;
// Prompt tokens that a step has at least, so that a prompt beside others makes headway.
constexpr int32_t least_chunk = 4;
// Until costs are known.
constexpr int32_t first_chunk = 32;
// Tokens of several requests that are worth a packet of their own.
constexpr size_t enough_tokens = 4;

void average_in(double & average, double value) { average = average == 0 ? value : average + smoothing * (value - average); }

} // namespace

size_t common_prefix(const llama_token * a, size_t a_size, const llama_token * b, size_t b_size) {
    const size_t limit = std::min(a_size, b_size);
    return static_cast<size_t>(std::mismatch(a, a + limit, b).first - a);
}

void StepCost::record(double ms, int32_t decoding, int32_t prompt) {
    if (prompt == 0) {
        if (decoding > 0) average_in(decode, ms);
        return;
    }
    const double rest = ms - (decoding > 0 ? decode : 0);
    average_in(prompt_token, std::max(rest, 0.0) / prompt);
}

int32_t prompt_budget(const StepCost & cost, int32_t decoding, int32_t batch_size) {
    const int32_t room = std::max(0, batch_size - decoding);
    if (decoding == 0) return room;
    if (cost.decode_ms() <= 0 || cost.prompt_token_ms() <= 0) return std::min(room, first_chunk);
    const double  tokens = std::min((stretch - 1) * cost.decode_ms() / cost.prompt_token_ms(), 1e6);
    const int32_t nearest = (decoding + static_cast<int32_t>(tokens) + group / 2) / group * group - decoding;
    return std::min(room, std::max(least_chunk, nearest));
}

bool may_hold_back(const HeldEvents & held, double step_ms, double interval_ms) {
    const bool enough = held.running > 1 && held.tokens >= enough_tokens;
    return !held.urgent && !enough && held.waited_ms + step_ms <= interval_ms;
}

std::optional<int32_t> least_recently_used(const std::vector<SlotView> & slots, int32_t keep) {
    const SlotView * oldest = nullptr;
    for (const auto & view : slots) {
        if (!view.cached || view.slot == keep) continue;
        if (!oldest || view.last_used < oldest->last_used) oldest = &view;
    }
    return oldest ? std::optional<int32_t>(oldest->slot) : std::nullopt;
}

Clock::time_point deadline_of(Clock::time_point submitted, double timeout_ms) {
    if (timeout_ms <= 0) return never;
    return submitted + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(timeout_ms));
}

void Alarm::add(Clock::time_point deadline) {
    const Clock::rep at = deadline.time_since_epoch().count();
    Clock::rep       before = earliest.load(std::memory_order_relaxed);
    while (at < before && !earliest.compare_exchange_weak(before, at, std::memory_order_relaxed)) {
    }
}

} // namespace llama_native

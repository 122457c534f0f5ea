#include "core/draft_policy.h"

#include <algorithm>

namespace llama_native {

namespace {

// Steps with drafts after which one without is due, as the cost of a step grows with its texts.
constexpr size_t drafted_steps_until_stale = 64;
// Of a token of each request, in steps, while nothing is measured: so much that the first draft is a short one.
constexpr double assumed_cost = 0.5;
// Weight of a draft against the next one's, and tokens that the past counts for at most.
constexpr double memory = 0.8;
constexpr double most_remembered = 10;
// Steps between two trials.
constexpr size_t shortest_pause = 16;
constexpr size_t longest_pause = 128;
// Of a context's drafts, in steps: gains beyond are not saved up, and losses beyond are forgiven.
constexpr double most_saved = 32;
constexpr double most_owed = 100;

size_t size_class(size_t tokens) {
    size_t result = 0;
    while (tokens > 1 && result < 6) {
        tokens /= 2;
        result++;
    }
    return result;
}

} // namespace

void Recent::add(double value) {
    values[next] = value;
    next = (next + 1) % values.size();
    count = std::min(count + 1, values.size());
}

double Recent::median() const {
    if (count == 0) return 0;
    auto sorted = values;
    const auto middle = sorted.begin() + std::ptrdiff_t(count / 2);
    std::nth_element(sorted.begin(), middle, sorted.begin() + std::ptrdiff_t(count));
    return *middle;
}

void PlainCost::record(double ms, int32_t requests) {
    if (requests < 1 || requests > most_requests_to_draft_for) return;
    entries[size_t(requests)].recent.add(ms);
    entries[size_t(requests)].drafted_since = 0;
}

void PlainCost::count_drafted(int32_t requests) {
    if (requests >= 1 && requests <= most_requests_to_draft_for) entries[size_t(requests)].drafted_since++;
}

double PlainCost::ms(int32_t requests) const {
    if (requests < 1 || requests > most_requests_to_draft_for) return 0;
    const Entry & entry = entries[size_t(requests)];
    return entry.drafted_since < drafted_steps_until_stale ? entry.recent.median() : 0;
}

void DraftCost::record(double steps, int32_t requests, size_t drafted) {
    if (drafted == 0 || requests < 1 || requests > most_requests_to_draft_for) return;
    unmeasured = 0;
    const size_t each = (drafted + size_t(requests) - 1) / size_t(requests);
    Entry &      entry = entries[size_t(requests - 1)];
    const double one = std::max(steps, 0.0) / double(drafted);
    entry.of_any_size.add(one);
    entry.by_size[size_class(each)].add(one);
}

// By the nearest number of tokens that was measured a few times; the smaller of two, which is the dearer one.
double DraftCost::per_token(int32_t requests, size_t drafted) const {
    const Entry & entry = entries[size_t(std::clamp(requests, 1, most_requests_to_draft_for) - 1)];
    const auto &  by_size = entry.by_size;
    const size_t own = size_class(drafted);
    for (size_t distance = 0; distance < by_size.size(); distance++) {
        if (distance <= own && by_size[own - distance].settled()) return by_size[own - distance].median();
        if (own + distance < by_size.size() && by_size[own + distance].settled()) return by_size[own + distance].median();
    }
    return entry.of_any_size.settled() ? entry.of_any_size.median() : assumed_cost / requests;
}

void DraftBudget::add(double steps) { balance = std::clamp(balance + steps, -most_owed, most_saved); }

size_t DraftLength::next(size_t most, int32_t requests, const DraftCost & cost) {
    const double chance = trusted / tried;
    double       best_gain = 0, gain = 0, likely = 1;
    size_t       best = 0;
    for (size_t tokens = 1; tokens <= std::min(most, limit); tokens++) {
        likely *= chance;
        gain += likely;
        const double net = gain - double(requests) * cost.per_token(requests, tokens) * double(tokens);
        if (net <= best_gain) continue;
        best_gain = net;
        best = tokens;
    }
    if (most == 0) return 0;
    on_trial = best == 0;
    if (!on_trial) return best;
    // Where a token costs more than it can gain, only its cost can change, whichever request measures it.
    if (double(requests) * cost.per_token(requests, 1) >= 1) return cost.steps_unmeasured() > longest_pause ? 1 : 0;
    return ++since_draft > pause ? 1 : 0;
}

void DraftLength::record(size_t drafted, size_t accepted) {
    if (drafted == 0) return;
    const bool whole = accepted == drafted;
    trusted = memory * trusted + double(accepted);
    tried = memory * tried + double(accepted) + (whole ? 0 : 1);
    const double scale = std::min(1.0, most_remembered / tried);
    trusted *= scale;
    tried *= scale;
    limit = whole ? std::min(std::max(limit, drafted * 2), most_tokens_to_draft) : accepted + 1;
    since_draft = 0;
    if (whole) pause = 0;
    else if (on_trial) pause = std::clamp(pause * 2, shortest_pause, longest_pause);
    else pause = shortest_pause;
}

} // namespace llama_native

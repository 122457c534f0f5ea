#include "core/top_k.h"

#include <algorithm>
#include <cmath>

namespace llama_native {

namespace {

// Whether any of 16 logits is above the threshold; compilers make a few vector instructions of it.
bool any_above(const float * logits, float threshold) {
    int above = 0;
    for (int i = 0; i < 16; i++) above |= logits[i] > threshold;
    return above != 0;
}

} // namespace

bool is_likelier(const llama_token_data & a, const llama_token_data & b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

// Keeps the best so far, pruned to `k` whenever there are twice as many; practically all logits are below the worst of
// them and cost one comparison.
void top_k(const float * logits, int32_t size, int32_t k, std::vector<llama_token_data> & out) {
    const size_t keep = static_cast<size_t>(std::min(k, size));
    const size_t limit = 2 * keep + 64;
    out.clear();
    float      threshold = -INFINITY;
    const auto prune = [&] {
        std::nth_element(out.begin(), out.begin() + std::ptrdiff_t(keep), out.end(), is_likelier);
        out.resize(keep);
        threshold = std::min_element(out.begin(), out.end(), [](const auto & a, const auto & b) { return a.logit < b.logit; })->logit;
    };
    const auto take = [&](int32_t token) {
        // Equal to the threshold means: at best a tie with a smaller id, which is kept already.
        if (out.size() >= keep && !(logits[token] > threshold)) return;
        if (std::isnan(logits[token])) return;  // has no place in an order
        out.push_back({ token, logits[token], 0 });
        if (out.size() >= limit) prune();
    };
    int32_t token = 0;
    for (; token + 16 <= size; token += 16) {
        if (out.size() >= keep && !any_above(logits + token, threshold)) continue;
        for (int32_t i = 0; i < 16; i++) take(token + i);
    }
    for (; token < size; token++) take(token);
    if (out.size() > keep) prune();
    std::sort(out.begin(), out.end(), is_likelier);
}

} // namespace llama_native

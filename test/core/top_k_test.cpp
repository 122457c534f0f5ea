#include "check.h"
#include "core/top_k.h"

#include <algorithm>
#include <numeric>
#include <cmath>
#include <random>

using llama_native::top_k;

static std::vector<llama_token> ids(const std::vector<float> & logits, int32_t k) {
    std::vector<llama_token_data> out;
    top_k(logits.data(), int32_t(logits.size()), k, out);
    std::vector<llama_token> tokens;
    for (const auto & item : out) tokens.push_back(item.id);
    return tokens;
}

TEST("the largest come in order, as by sorting everything") {
    std::mt19937 random(1);
    for (const int size : { 1, 15, 16, 17, 100, 32000 }) {
        for (const int k : { 1, 2, 40, 200 }) {
            for (const int distinct : { 3, 50, 1000000 }) {
                std::vector<float> logits(static_cast<size_t>(size));
                for (auto & logit : logits) logit = float(int(random() % unsigned(distinct)));
                std::vector<llama_token> order(logits.size());
                std::iota(order.begin(), order.end(), 0);
                std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[size_t(a)] > logits[size_t(b)]; });
                order.resize(size_t(std::min(k, size)));
                CHECK(ids(logits, k) == order);
            }
        }
    }
}

TEST("ascending logits, the worst case, are right too") {
    std::vector<float> logits(5000);
    std::iota(logits.begin(), logits.end(), 0.0f);
    const auto best = ids(logits, 3);
    CHECK((best == std::vector<llama_token>{ 4999, 4998, 4997 }));
}

TEST("forbidden tokens (minus infinity) come last") {
    const std::vector<float> logits = { -INFINITY, 1, -INFINITY, 2 };
    const auto best = ids(logits, 2);
    CHECK((best == std::vector<llama_token>{ 3, 1 }));
}

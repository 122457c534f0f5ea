#include "check.h"
#include "core/draft_policy.h"

#include <vector>

using namespace llama_native;

namespace {

// A request on a machine where a drafted token costs `cost` steps to check, after a start at which nothing is known. Each
// step's draft comes true as far as `truth` says of the number of the step and its length.
struct Outcome {
    double steps = 0;   // time
    int    tokens = 0;
    size_t longest = 0;
    int    last_draft = 0;  // the token before which the last draft was made
};

template <typename Truth> Outcome run(int tokens, double cost_of_token, Truth truth, DraftBudget & budget) {
    DraftLength length;
    DraftCost   cost;
    Outcome     outcome;
    while (outcome.tokens < tokens) {
        const size_t drafted = budget.left() > 0 ? length.next(24, 1, cost) : 0;
        budget.earn(1);
        cost.count_step();
        const size_t accepted = truth(outcome.tokens, drafted);
        outcome.steps += 1 + cost_of_token * double(drafted);
        if (drafted > 0) {
            outcome.last_draft = outcome.tokens;
            cost.record(cost_of_token * double(drafted), 1, drafted);
            length.record(drafted, accepted);
            budget.add(double(accepted) - cost.per_token(1, drafted) * double(drafted));
        }
        outcome.longest = std::max(outcome.longest, drafted);
        outcome.tokens += int(accepted) + 1;
    }
    return outcome;
}

const auto never = [](int, size_t) -> size_t { return 0; };
const auto always = [](int, size_t drafted) { return drafted; };

} // namespace

TEST("drafts that never come true cost at most 3 % of an answer of 128 tokens, and less of a longer one") {
    for (const double cost : { 0.05, 0.3, 0.6, 1.2 }) {
        DraftBudget budget, other;
        CHECK(run(128, cost, never, budget).steps <= 128 / 0.97);
        CHECK(run(2000, cost, never, other).steps <= 2000 / 0.985);
    }
}

TEST("drafts that always come true grow as long as they may be") {
    DraftBudget   budget;
    const Outcome outcome = run(256, 0.3, always, budget);
    EQUAL(outcome.longest, 24u);
    CHECK(outcome.steps < 256 / 2.0);
}

TEST("drafts that come true and cost more than a step each are given up") {
    DraftBudget   budget;
    const Outcome outcome = run(512, 1.3, always, budget);
    CHECK(outcome.steps <= 512 / 0.97);
}

TEST("an answer that begins to repeat itself late is noticed") {
    DraftBudget budget;
    const auto  late = [](int token, size_t drafted) -> size_t { return token < 300 ? 0 : drafted; };
    const Outcome outcome = run(1000, 0.3, late, budget);
    CHECK(outcome.steps < 750);
    CHECK(outcome.last_draft > 900);
}

TEST("requests whose drafts never come true are paid for by the context's budget, which runs dry") {
    DraftBudget budget;
    double      steps = 0;
    for (int i = 0; i < 50; i++) steps += run(64, 0.5, never, budget).steps;
    CHECK(steps <= 50 * 64 / 0.985 + 4);
}

TEST("the more requests wait for a step, the shorter the drafts") {
    DraftCost   cost;
    DraftLength length;
    for (int i = 0; i < 3; i++) cost.record(0.6, 1, 2);
    const size_t alone = length.next(24, 1, cost);
    CHECK(alone > length.next(24, 2, cost));
    EQUAL(length.next(2, 1, cost), 2u);
    EQUAL(length.next(0, 1, cost), 0u);
}

TEST("a token's cost is that of the nearest number of them that was measured a few times") {
    DraftCost  cost;
    const auto measure = [&](double steps, int32_t requests, size_t drafted) {
        for (int i = 0; i < 3; i++) cost.record(steps, requests, drafted);
    };
    const double assumed = cost.per_token(1, 5);
    CHECK(assumed > 0);
    cost.record(50, 1, 1);
    EQUAL(cost.per_token(1, 1), assumed);
    measure(1.0, 1, 1);
    measure(3.2, 1, 16);
    EQUAL(cost.per_token(1, 1), 1.0);
    EQUAL(cost.per_token(1, 2), 1.0);
    EQUAL(cost.per_token(1, 20), 0.2);
    EQUAL(cost.per_token(1, 64), 0.2);
    measure(-5, 1, 4);
    EQUAL(cost.per_token(1, 4), 0.0);
    measure(0.8, 4, 8);
    EQUAL(cost.per_token(4, 2), 0.1);
}

TEST("what was too dear is tried again, by whichever request comes") {
    DraftCost cost;
    for (int i = 0; i < 3; i++) cost.record(1.5, 1, 1);
    int tried = 0;
    for (int request = 0; request < 30; request++) {
        DraftLength length;
        for (int step = 0; step < 20; step++) {
            cost.count_step();
            if (length.next(24, 1, cost) == 0) continue;
            tried++;
            cost.record(0.2, 1, 1);
        }
    }
    CHECK(tried > 50);
}

TEST("a step is measured again after many with drafts, and a single slow one does not count") {
    PlainCost plain;
    EQUAL(plain.ms(1), 0.0);
    for (const double ms : { 10.0, 400.0, 10.5, 9.5, 10.0 }) plain.record(ms, 1);
    EQUAL(plain.ms(1), 10.0);
    EQUAL(plain.ms(2), 0.0);
    for (int i = 0; i < 64; i++) plain.count_drafted(1);
    EQUAL(plain.ms(1), 0.0);
    plain.record(12, 1);
    CHECK(plain.ms(1) > 0);
    plain.record(5, most_requests_to_draft_for + 1);
    EQUAL(plain.ms(most_requests_to_draft_for + 1), 0.0);
}

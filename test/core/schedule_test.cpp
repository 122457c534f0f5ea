#include "check.h"
#include "core/schedule.h"

#include <vector>

using namespace llama_native;

TEST("common prefixes") {
    const std::vector<llama_token> a = { 1, 2, 3, 4 }, b = { 1, 2, 9 };
    EQUAL(common_prefix(a.data(), a.size(), b.data(), b.size()), 2u);
    EQUAL(common_prefix(a.data(), 2, a.data(), a.size()), 2u);
    EQUAL(common_prefix(a.data(), 0, b.data(), 0), 0u);
}

TEST("alone, a prompt takes the whole batch") {
    StepCost cost;
    EQUAL(prompt_budget(cost, 0, 512), 512);
}

TEST("beside generating requests a prompt is cut so that a step stays within a multiple of its usual time") {
    StepCost cost;
    EQUAL(prompt_budget(cost, 4, 512), 32);
    for (int i = 0; i < 100; i++) {
        cost.record(10, 4, 0);
        cost.record(10 + 100 * 0.5, 4, 100);
    }
    EQUAL(prompt_budget(cost, 4, 512), 28);  // 14 ms more at 0.5 ms a token: to an even batch
    EQUAL(prompt_budget(cost, 3, 512), 29);
    EQUAL(prompt_budget(cost, 4, 30), 26);
}

TEST("however slow a prompt token is, prompts get on") {
    StepCost cost;
    cost.record(10, 4, 0);
    cost.record(1e6, 4, 10);
    EQUAL(prompt_budget(cost, 4, 512), 4);
    EQUAL(prompt_budget(cost, 512, 512), 0);
}

TEST("the least recently used cached sequence is evicted, never one in use or the one to keep") {
    const std::vector<SlotView> slots = { { 0, true, 5 }, { 1, false, 1 }, { 2, true, 3 }, { 3, true, 9 } };
    EQUAL(*least_recently_used(slots, -1), 2);
    EQUAL(*least_recently_used(slots, 2), 0);
    CHECK(!least_recently_used({ { 1, false, 1 }, { 2, true, 1 } }, 2).has_value());
}

TEST("few tokens wait for the next step where that ends in time, news that somebody waits for never do") {
    CHECK(may_hold_back({ 1, 1, false, 0 }, 8, 25));
    CHECK(may_hold_back({ 2, 1, false, 16 }, 8, 25));
    CHECK(!may_hold_back({ 3, 1, false, 18 }, 8, 25));  // the next step would end too late
    CHECK(may_hold_back({ 4, 1, false, 0 }, 1, 25));
    CHECK(may_hold_back({ 3, 3, false, 0 }, 1, 25));
    CHECK(!may_hold_back({ 4, 2, false, 0 }, 1, 25));   // several requests' tokens are worth a packet
    CHECK(!may_hold_back({ 1, 1, true, 0 }, 8, 25));
    CHECK(!may_hold_back({ 1, 1, false, 0 }, 8, 0));
}

TEST("a deadline counts from the submission; without a timeout there is none") {
    const Clock::time_point now = Clock::now();
    CHECK(deadline_of(now, 250) == now + std::chrono::milliseconds(250));
    CHECK(deadline_of(now, 0.5) == now + std::chrono::microseconds(500));
    CHECK(deadline_of(now, 0) == never);
    CHECK(deadline_of(now, 2147483647.0) > now + std::chrono::hours(24 * 24));
}

TEST("the alarm rings at the earliest deadline, and only then") {
    const Clock::time_point now = Clock::now();
    const auto              in = [&](int ms) { return now + std::chrono::milliseconds(ms); };
    Alarm                   alarm;
    CHECK(!alarm.is_set());
    CHECK(!alarm.due(in(1000000)));
    alarm.add(never);
    CHECK(!alarm.is_set());
    alarm.add(in(30));
    alarm.add(in(10));
    alarm.add(in(20));
    CHECK(alarm.is_set());
    CHECK(!alarm.due(in(9)));
    CHECK(alarm.due(in(10)));
    alarm.reset();
    CHECK(!alarm.due(in(10)));
    alarm.add(in(20));
    CHECK(!alarm.due(in(19)));
    CHECK(alarm.due(in(21)));
}

TEST("priority comes before arrival") {
    CHECK((Urgency{ 1, 9 }.before({ 0, 1 })));
    CHECK((Urgency{ 0, 1 }.before({ 0, 2 })));
    CHECK((!Urgency{ 0, 2 }.before({ 0, 2 })));
}

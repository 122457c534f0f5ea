#include "check.h"
#include "core/checkpoints.h"

using namespace llama_native;

namespace {

std::shared_ptr<Checkpoint> checkpoint(size_t position, size_t bytes) {
    return std::make_shared<Checkpoint>(Checkpoint{ position, std::vector<uint8_t>(bytes), 0 });
}

} // namespace

TEST("a prompt stops for checkpoints at growing distances, and before its last token") {
    EQUAL(next_checkpoint(0, 300), 128u);
    EQUAL(next_checkpoint(100, 300), 128u);
    EQUAL(next_checkpoint(128, 300), 256u);
    EQUAL(next_checkpoint(256, 300), 299u);
    EQUAL(next_checkpoint(299, 300), 300u);
    EQUAL(next_checkpoint(1024, 9000), 1536u);
    EQUAL(next_checkpoint(0, 1), 1u);
}

TEST("the last usable checkpoint at or before a position is found") {
    Checkpoints all = { checkpoint(128, 8), checkpoint(256, 8), checkpoint(299, 8) };
    EQUAL(last_checkpoint(all, 299)->position, 299u);
    EQUAL(last_checkpoint(all, 298)->position, 256u);
    CHECK(!last_checkpoint(all, 127));
    all[1]->state.clear();
    EQUAL(last_checkpoint(all, 298)->position, 128u);
    truncate_checkpoints(all, 256);
    EQUAL(all.size(), 2u);
}

TEST("checkpoints keep to their budget: the least recently used lose their state") {
    CheckpointBudget budget(100);
    const auto       a = checkpoint(1, 40), b = checkpoint(2, 40), c = checkpoint(3, 40);
    CHECK(budget.admit(a) && budget.admit(b));
    budget.touch(*a);
    CHECK(budget.admit(c));
    CHECK(!a->state.empty() && b->state.empty() && !c->state.empty());
    EQUAL(budget.used(), 80u);
    CHECK(!budget.admit(checkpoint(4, 101)));
    EQUAL(budget.used(), 80u);
}

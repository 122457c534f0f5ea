#include "core/checkpoints.h"

#include <algorithm>

namespace llama_native {

namespace {

constexpr size_t near = 128, far = 512;  // tokens between two checkpoints
constexpr size_t near_end = 1024;        // up to here they are near

} // namespace

std::shared_ptr<Checkpoint> last_checkpoint(const Checkpoints & checkpoints, size_t position) {
    for (auto it = checkpoints.rbegin(); it != checkpoints.rend(); ++it) {
        if ((*it)->position <= position && !(*it)->state.empty()) return *it;
    }
    return nullptr;
}

void truncate_checkpoints(Checkpoints & checkpoints, size_t position) {
    while (!checkpoints.empty() && checkpoints.back()->position > position) checkpoints.pop_back();
}

size_t next_checkpoint(size_t evaluated, size_t prompt_size) {
    if (evaluated + 1 >= prompt_size) return prompt_size;
    const size_t distance = evaluated < near_end ? near : far;
    return std::min((evaluated / distance + 1) * distance, prompt_size - 1);
}

bool CheckpointBudget::admit(const std::shared_ptr<Checkpoint> & checkpoint) {
    if (checkpoint->state.size() > limit) return false;
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto & item) { return item.expired(); }), all.end());
    while (used() + checkpoint->state.size() > limit) {
        std::shared_ptr<Checkpoint> oldest;
        for (const auto & item : all) {
            const auto other = item.lock();
            if (other && !other->state.empty() && (!oldest || other->last_used < oldest->last_used)) oldest = other;
        }
        if (!oldest) break;
        std::vector<uint8_t>().swap(oldest->state);
    }
    touch(*checkpoint);
    all.push_back(checkpoint);
    return true;
}

size_t CheckpointBudget::used() const {
    size_t bytes = 0;
    for (const auto & item : all) {
        if (const auto checkpoint = item.lock()) bytes += checkpoint->state.size();
    }
    return bytes;
}

} // namespace llama_native

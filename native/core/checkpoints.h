#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace llama_native {

// What a model's memory cannot take back (recurrent state), as it was behind the first `position` tokens of a sequence.
struct Checkpoint {
    size_t               position;
    std::vector<uint8_t> state;  // empty once its room was needed
    uint64_t             last_used = 0;
};

// Checkpoints of one sequence, by position; sequences that share a beginning share its checkpoints.
using Checkpoints = std::vector<std::shared_ptr<Checkpoint>>;

// The last usable checkpoint at or before `position`, or null.
std::shared_ptr<Checkpoint> last_checkpoint(const Checkpoints & checkpoints, size_t position);
// Drops those behind `position`.
void truncate_checkpoints(Checkpoints & checkpoints, size_t position);

// Where the evaluation of a prompt stops next for a checkpoint, or the prompt's end: before its last token, as the same
// prompt may come again, and at distances that grow, as nobody knows where other prompts will go another way.
size_t next_checkpoint(size_t evaluated, size_t prompt_size);

// Keeps the states of all checkpoints of a context within a number of bytes: the least recently used go first. Pure.
class CheckpointBudget {
public:
    explicit CheckpointBudget(size_t bytes) : limit(bytes) {}

    // Takes a new checkpoint into account; false where it alone is too large to be kept.
    bool   admit(const std::shared_ptr<Checkpoint> & checkpoint);
    void   touch(Checkpoint & checkpoint) { checkpoint.last_used = ++tick; }
    size_t used() const;

private:
    size_t                                 limit;
    uint64_t                               tick = 0;
    std::vector<std::weak_ptr<Checkpoint>> all;
};

} // namespace llama_native

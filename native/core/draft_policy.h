#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace llama_native {

// When to draft tokens and how many, so that drafts pay where they come true and cost next to nothing where they do not.
// Everything is counted in steps: the time of a step without drafts is one, and so is what a token that came true saves.
// Pure.

// Drafts are for few requests at once: a step with more keeps the processor busy without tokens that may be wrong.
constexpr int32_t most_requests_to_draft_for = 4;
constexpr size_t  most_tokens_to_draft = 64;

// The median of the last few measurements: the machine may have done something else during any one of them.
class Recent {
public:
    void   add(double value);
    double median() const;  // 0 where there is none
    bool   settled() const { return count >= 3; }

private:
    std::array<double, 7> values{};
    size_t                count = 0;
    size_t                next = 0;
};

// What steps of generating requests took, in milliseconds.
class PlainCost {
public:
    void record(double ms, int32_t requests);
    void count_drafted(int32_t requests);
    // 0 where a step without drafts has to be measured first: never was, or was long ago.
    double ms(int32_t requests) const;

private:
    struct Entry {
        Recent recent;
        size_t drafted_since = 0;
    };
    std::array<Entry, most_requests_to_draft_for + 1> entries;
};

// What one way to draft adds to a step, in steps; learnt by the number of requests and of tokens for each, as most tokens are
// cheaper in company.
class DraftCost {
public:
    // A step took `steps` longer for `drafted` tokens of all its `requests`: to draft and to check them.
    void record(double steps, int32_t requests, size_t drafted);
    // For one token, where each request has `drafted`.
    double per_token(int32_t requests, size_t drafted) const;
    void   count_step() { unmeasured++; }
    size_t steps_unmeasured() const { return unmeasured; }

private:
    struct Entry {
        Recent                of_any_size;
        std::array<Recent, 7> by_size;  // 1, 2-3, 4-7, ...
    };
    std::array<Entry, most_requests_to_draft_for>  entries;  // by requests
    size_t                                         unmeasured = 0;
};

// What drafts may lose, for all requests of a context: a little at first, and then a small part of what steps cost and what
// other drafts gained. So drafts that never come true cost about that part, whoever asks for them.
class DraftBudget {
public:
    // `requests` had a step.
    void   earn(int32_t requests) { add(earned_a_step * requests); }
    void   add(double steps);
    double left() const { return balance; }

    static constexpr double earned_a_step = 0.01;

private:
    double balance = 4;
};

// How many tokens to draft for one request: as many as are each expected to gain more than they cost, by how often its
// drafts came true so far. Where that is none, one token now and then, ever more rarely, to see whether it still is none.
class DraftLength {
public:
    // Called once a step. `most`: what the request allows; `requests`: those that wait for the step.
    size_t next(size_t most, int32_t requests, const DraftCost & cost);
    void   record(size_t drafted, size_t accepted);

private:
    double trusted = 0.7;  // tokens that came true, of `tried`; each draft counts a little more than the one before
    double tried = 1;
    size_t limit = 4;      // doubles while drafts come true as a whole
    size_t pause = 16;     // steps between two trials
    size_t since_draft = 0;
    bool   on_trial = false;
};

} // namespace llama_native

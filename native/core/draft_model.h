#pragma once

#include "core/decoder.h"
#include "core/draft_policy.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace llama_native {

// A second, smaller model that guesses how texts go on. It has a context of its own, in which it follows the texts of as
// many requests as are drafted for at once: what it has of a text stays, what turned out otherwise is cut off, and only
// what is new is evaluated. Whatever fails here ends drafts, never a request.
//
// Everything belongs to the engine's thread, but for `shut_down`.
class DraftModel {
public:
    // `target`: the model to draft for, and its context's parameters. Throws INVALID_OPTION where the vocabularies differ
    // or the draft model's memory cannot be cut back, and INSUFFICIENT_MEMORY.
    DraftModel(std::shared_ptr<Model> model, const Model & target, const ContextParams & params);

    // A text of a request; `key` is the request's own, and `edits` changes whenever something but the end of the text does.
    struct Text {
        uint64_t                         key;  // not 0
        int32_t                          edits;
        const std::vector<llama_token> * tokens;
    };
    struct Task {
        Text                     text;
        size_t                   most;  // tokens to draft
        std::vector<llama_token> draft = {};
        bool                     read = false;  // whether the text has been evaluated, so that a draft could begin
    };

    // How many tokens of a text it would have to evaluate before it can draft; none where it is only the last few.
    size_t unread(const Text & text);
    // Milliseconds for one of them; 0 while not measured.
    double read_ms() const { return reading.median(); }

    // Drafts for all tasks together, one decode for each further token; fewer tokens than wanted where it is unsure.
    // Evaluates at most `read_limit` tokens of texts that it has not followed: a text that is longer takes several calls.
    void draft(std::vector<Task> & tasks, size_t read_limit);
    // What the last call took, in milliseconds: to read, and to draft.
    double last_read_ms() const { return spent_reading; }
    double last_draft_ms() const { return spent_drafting; }

    void shut_down() { decoder.shut_down(); }

private:
    // A sequence and the text it holds.
    struct Lane {
        uint64_t                 key = 0;  // 0: nobody's
        int32_t                  edits = 0;
        std::vector<llama_token> tokens;
        size_t                   agreed = 0;  // tokens known to be those of the request's text
        uint64_t                 used = 0;
    };

    int32_t follow(const Text & text);
    int32_t lane_for(const Text & text);
    void    cut(int32_t lane, size_t length);
    bool    decode();
    void    read(std::vector<Task> & tasks, size_t limit);
    void    guess(std::vector<Task> & tasks);

    Decoder                                      decoder;
    std::array<Lane, most_requests_to_draft_for> lanes;
    size_t                                       longest_text;
    Recent                                       reading;
    double                                       spent_reading = 0;
    double                                       spent_drafting = 0;
    uint64_t                                     tick = 0;
    uint64_t                                     call_began = 0;  // the tick; texts used since then are worked on
    bool                                         failed = false;
};

} // namespace llama_native

#pragma once

#include "core/model.h"
#include "llama.h"

#include <memory>
#include <string>
#include <vector>

struct llama_grammar;

namespace llama_native {

// A grammar and how far a text has come in it. Belongs to the engine's thread.
//
// llama.cpp decides what a grammar allows, but is asked about few tokens: trying a whole vocabulary takes milliseconds.
class Grammar {
public:
    // Throws GRAMMAR for a source that cannot be parsed, with the line, and for one that llama.cpp could not cope with. So do all
    // functions where a text can go on in so many ways that looking at them would take memory and time without end.
    Grammar(const Model & model, const std::string & source);
    ~Grammar();
    Grammar(const Grammar &) = delete;
    Grammar & operator=(const Grammar &) = delete;

    bool allows(llama_token token) const;

    // The `k` likeliest tokens that it allows, in descending order; fewer where there are not as many.
    void best(const float * logits, int32_t k, std::vector<llama_token_data> & out) const;

    // All tokens that it allows.
    void all(const float * logits, std::vector<llama_token_data> & out) const;

    // Throws GRAMMAR where it does not allow the token.
    void accept(llama_token token);

private:
    void apply(llama_token_data_array & candidates) const;
    void keep_allowed(std::vector<llama_token_data> & candidates) const;
    void add_possible(const float * logits, std::vector<llama_token_data> & out) const;

    const Model & model;
    mutable size_t work;  // that may still be spent on it, see cmake/grammar_limits.h; each accepted token adds to it
    std::unique_ptr<llama_grammar, void (*)(llama_grammar *)> state;
};

} // namespace llama_native

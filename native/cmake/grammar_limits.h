// What a grammar may take. llama.cpp follows all ways in which a text can go on side by side, and looks at them again for each
// character: a few lines of grammar can mean more of them than there is memory, or rules that begin with themselves in a way that
// its check does not see, which it follows for ever.

#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace llama_native {

struct GrammarLimit : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What is left to spend for the grammar that this thread is working on: elements compared, and 64 for each that is kept.
inline thread_local size_t grammar_work = SIZE_MAX;

inline void spend_grammar_work(size_t cost) {
    if (cost > grammar_work) throw GrammarLimit("a text can go on in too many ways at once");
    grammar_work -= cost;
}

// A stack of so many elements is looked for among others, most of which begin alike.
inline void spend_on_comparing(size_t others, size_t elements) { spend_grammar_work((others + 1) * (elements > 1 ? elements : 1)); }

// How deep rules may begin with one another: llama.cpp's check recurses from rule to rule, on stacks that musl makes small.
#if defined(__linux__) && !defined(__GLIBC__)
constexpr size_t deepest_first_rule = 500;
#else
constexpr size_t deepest_first_rule = 2000;
#endif

inline thread_local size_t first_rule_depth = 0;

class FirstRule {
public:
    FirstRule() {
        if (first_rule_depth >= deepest_first_rule) throw GrammarLimit("its rules begin with one another too deeply");
        first_rule_depth++;
    }
    ~FirstRule() { first_rule_depth--; }
    FirstRule(const FirstRule &) = delete;
    FirstRule & operator=(const FirstRule &) = delete;
};

} // namespace llama_native

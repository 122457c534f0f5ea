#include "check.h"
#include "core/prompt_lookup.h"

using llama_native::PromptLookup;
using Tokens = std::vector<llama_token>;

TEST("what followed the same tokens before is drafted, the last occurrence first") {
    PromptLookup lookup;
    CHECK((lookup.draft({ 1, 2, 3, 4, 5, 9, 1, 2, 3 }, 3) == Tokens{ 4, 5, 9 }));
    PromptLookup other;
    CHECK((other.draft({ 1, 2, 3, 4, 7, 1, 2, 3, 8, 7, 1, 2, 3 }, 2) == Tokens{ 8, 7 }));
}

TEST("two tokens in common do where three have nothing") {
    PromptLookup lookup;
    CHECK((lookup.draft({ 5, 2, 3, 4, 9, 2, 3 }, 8) == Tokens{ 4, 9, 2, 3 }));
}

TEST("without a repetition there is no draft, nor for a text too short") {
    PromptLookup lookup;
    CHECK(lookup.draft({ 1, 2, 3, 4, 5, 6 }, 4).empty());
    CHECK(PromptLookup().draft({}, 4).empty());
    CHECK(PromptLookup().draft({ 1 }, 4).empty());
    CHECK(PromptLookup().draft({ 1, 1 }, 4).empty());
}

TEST("a growing history is indexed as it grows") {
    PromptLookup lookup;
    Tokens       history = { 1, 2, 3, 4 };
    CHECK(lookup.draft(history, 2).empty());
    for (const llama_token token : { 5, 1, 2, 3 }) {
        history.push_back(token);
        lookup.draft(history, 2);
    }
    CHECK((lookup.draft(history, 2) == Tokens{ 4, 5 }));
    lookup.reset();
    CHECK(lookup.draft({ 7, 8, 9 }, 2).empty());
}

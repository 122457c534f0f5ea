#include "core/grammar.h"

#include "cmake/grammar_limits.h"
#include "core/error.h"
#include "core/first_characters.h"
#include "core/runtime.h"
#include "core/top_k.h"
#include "llama-grammar.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace llama_native {

namespace {

constexpr size_t most_grammar_bytes = 1 << 20;
constexpr size_t deepest_grammar = 128;       // of parentheses; llama.cpp's parser recurses
constexpr size_t most_grammar_rules = 10000;  // llama.cpp's check for left recursion recurses from rule to rule
constexpr size_t most_repeated_bytes = 4 << 20;

// A second or two of llama.cpp's work at its worst, and a tenth of one. A choice of ten thousand texts takes a twentieth of it to
// begin, and usual grammars a thousandth for a token.
constexpr size_t most_work = size_t(1) << 30;
constexpr size_t work_for_token = size_t(1) << 26;

// The end of the comment that begins at `i`.
size_t comment_end(const std::string & source, size_t i) { return std::min(source.find_first_of("\r\n", i), source.size()); }

// Refuses what would overflow the stack or fill the memory of llama.cpp's parser: depth of parentheses, and repetitions
// {n} or {n,m}, which are written out, of long items.
void check_grammar_size(const std::string & source) {
    if (source.size() > most_grammar_bytes) throw Error("GRAMMAR", "The grammar is longer than 1 MiB");
    size_t depth = 0, repeated = 0, rule_start = 0;
    char   quote = 0;
    for (size_t i = 0; i < source.size(); i++) {
        const char c = source[i];
        if (c == '\\') {
            i++;
        } else if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '#') {
            i = comment_end(source, i) - 1;
        } else if (c == '"' || c == '[') {
            quote = c == '[' ? ']' : c;
        } else if (c == '(') {
            if (++depth > deepest_grammar) throw Error("GRAMMAR", "The grammar nests more than 128 parentheses");
        } else if (c == ')') {
            depth -= depth > 0;
        } else if (c == '\n' && depth == 0) {
            rule_start = i;
        } else if (c == '{') {
            size_t largest = 0, number = 0;
            for (i++; i < source.size() && source[i] != '}'; i++) {
                if (source[i] == '#') i = comment_end(source, i) - 1;
                number = source[i] >= '0' && source[i] <= '9' ? std::min<size_t>(number * 10 + size_t(source[i] - '0'), 1 << 20) : 0;
                largest = std::max(largest, number);
            }
            repeated += largest * (i - rule_start);
            if (repeated > most_repeated_bytes) throw Error("GRAMMAR", "The grammar's repetitions are too large");
        }
    }
}

// llama_grammar_parser::parse prints errors to standard error; its steps throw them.
void check_grammar(const llama_vocab * vocab, const std::string & source) {
    if (source.find('\0') != std::string::npos) throw Error("GRAMMAR", "The grammar contains a NUL character");
    check_grammar_size(source);
    llama_grammar_parser parser(vocab);
    const char *         at = source.c_str();
    const auto skip_blank = [&] {
        while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n' || *at == '#') {
            if (*at == '#') at += std::strcspn(at, "\r\n");
            else at++;
        }
    };
    const char * rule_start = at;
    try {
        for (skip_blank(); *at; skip_blank()) {
            rule_start = at;
            at = parser.parse_rule(at);
        }
    } catch (const std::exception & error) {
        const auto  line = 1 + std::count(source.c_str(), rule_start, '\n');
        std::string reason = error.what();
        if (reason.size() > 200) reason = reason.substr(0, 200) + "…";
        throw Error("GRAMMAR", "The grammar cannot be parsed (in the rule at line " + std::to_string(line) + "): " + reason,
            { { "line", double(line) } });
    }
    if (parser.rules.size() > most_grammar_rules) throw Error("GRAMMAR", "The grammar has more than 10000 rules");
    for (const auto & [name, id] : parser.symbol_ids) {
        if (id >= parser.rules.size() || parser.rules[id].empty()) {
            throw Error("GRAMMAR", "The grammar uses the rule \"" + name + "\" but does not define it");
        }
    }
    if (!parser.symbol_ids.count("root")) throw Error("GRAMMAR", "The grammar has no rule named \"root\"");
}

// Whether a text that begins with the character may come next, by an element that is a set of characters. As llama.cpp's own
// function, which is not reachable.
bool matches(const llama_grammar_element * set, uint32_t character) {
    const bool is_positive = set->type != LLAMA_GRETYPE_CHAR_NOT;
    bool       found = false;
    do {
        if (set[1].type == LLAMA_GRETYPE_CHAR_RNG_UPPER) {
            found = found || (set->value <= character && character <= set[1].value);
            set += 2;
        } else {
            found = found || set->type == LLAMA_GRETYPE_CHAR_ANY || set->value == character;
            set++;
        }
    } while (set->type == LLAMA_GRETYPE_CHAR_ALT);
    return found == is_positive;
}

bool is_token(const llama_grammar_element * element) {
    return element->type == LLAMA_GRETYPE_TOKEN || element->type == LLAMA_GRETYPE_TOKEN_NOT;
}

// Lets this thread work on a grammar, for as long as what it has left allows.
class Work {
public:
    explicit Work(size_t & left) : left(left) { grammar_work = left; }
    ~Work() {
        left = grammar_work;
        grammar_work = SIZE_MAX;
    }
    Work(const Work &) = delete;
    Work & operator=(const Work &) = delete;

private:
    size_t & left;
};

Error cannot_be_used(const std::string & reason, const std::string & log = "") {
    return Error("GRAMMAR", "The grammar cannot be used: " + reason, {}, log);
}

llama_grammar * parse(const Model & model, const std::string & source, size_t & work) {
    if (source.rfind("%llguidance", 0) == 0) throw Error("GRAMMAR", "llguidance grammars are not supported; use GBNF");
    check_grammar(model.vocab(), source);
    Guard guard;
    const Work      limited(work);
    llama_grammar * grammar = nullptr;
    std::string     reason;
    try {
        grammar = llama_grammar_init_impl(model.vocab(), source.c_str(), "root", false, nullptr, 0, nullptr, 0);
    } catch (const std::exception & error) {
        reason = error.what();
    }
    if (grammar) return grammar;
    const std::string log = guard.log();
    throw cannot_be_used(log.empty() ? reason : log.substr(0, log.find('\n')), log);
}

} // namespace

Grammar::Grammar(const Model & model, const std::string & source) :
    model(model), work(most_work), state(parse(model, source, work), llama_grammar_free_impl) {}

Grammar::~Grammar() = default;

bool Grammar::allows(llama_token token) const {
    llama_token_data       candidate{ token, 0, 0 };
    llama_token_data_array array{ &candidate, 1, -1, false };
    apply(array);
    return candidate.logit != -INFINITY;
}

void Grammar::best(const float * logits, int32_t k, std::vector<llama_token_data> & out) const {
    // Most often enough of the likeliest are allowed; a model that was told what to write knows its grammar.
    for (const int32_t tried : { std::max(64, 4 * k), std::max(1024, 32 * k) }) {
        if (tried >= model.vocabulary_size()) break;
        top_k(logits, model.vocabulary_size(), tried, out);
        keep_allowed(out);
        if (out.size() >= size_t(k)) {
            out.resize(size_t(k));
            return;
        }
    }
    all(logits, out);
    const auto count = std::min(out.size(), size_t(k));
    std::partial_sort(out.begin(), out.begin() + std::ptrdiff_t(count), out.end(), is_likelier);
    out.resize(count);
}

void Grammar::all(const float * logits, std::vector<llama_token_data> & out) const {
    out.clear();
    add_possible(logits, out);
    keep_allowed(out);
}

// Tokens that the grammar may allow by their first character, so that those that do not fit are not looked at one by one.
void Grammar::add_possible(const float * logits, std::vector<llama_token_data> & out) const {
    const auto add = [&](llama_token token) { out.push_back({ token, logits[token], 0 }); };
    const auto & stacks = llama_grammar_get_stacks(state.get());
    const bool   by_token = std::any_of(stacks.begin(), stacks.end(), [](const auto & stack) { return !stack.empty() && is_token(stack.back()); });
    if (state->partial_utf8.n_remain != 0 || by_token) {
        for (llama_token token = 0; token < model.vocabulary_size(); token++) add(token);
        return;
    }
    const FirstCharacters & first = model.first_characters();
    for (const llama_token token : first.others) add(token);
    for (const auto & [character, tokens] : first.tokens) {
        const bool fits = std::any_of(stacks.begin(), stacks.end(),
            [character = character](const auto & stack) { return !stack.empty() && matches(stack.back(), character); });
        if (fits) std::for_each(tokens.begin(), tokens.end(), add);
    }
}

// Leaves out what the logits forbid, too.
void Grammar::keep_allowed(std::vector<llama_token_data> & candidates) const {
    llama_token_data_array array{ candidates.data(), candidates.size(), -1, false };
    apply(array);
    const auto is_out = [](const llama_token_data & candidate) { return !(candidate.logit > -INFINITY); };
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), is_out), candidates.end());
}

void Grammar::apply(llama_token_data_array & candidates) const {
    const Work limited(work);
    try {
        llama_grammar_apply_impl(*state, &candidates);
    } catch (const GrammarLimit & limit) {
        throw cannot_be_used(limit.what());
    }
}

void Grammar::accept(llama_token token) {
    work = std::min(work + work_for_token, most_work);
    const Work limited(work);
    try {
        llama_grammar_accept_impl(*state, token);
    } catch (const GrammarLimit & limit) {
        throw cannot_be_used(limit.what());
    } catch (const std::exception & error) {
        throw Error("GRAMMAR", std::string("No token of the model continues the grammar: ") + error.what());
    }
}

} // namespace llama_native

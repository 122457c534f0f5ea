#include "core/chat_template.h"

#include "core/error.h"
#include "core/runtime.h"
#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"
#include "json.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace llama_native {

struct ChatTemplate::Program {
    std::string    source;
    jinja::program nodes;
};

namespace {

int line_at(const std::string & source, size_t position) {
    const auto end = source.begin() + std::ptrdiff_t(std::min(source.size(), position));
    return 1 + int(std::count(source.begin(), end, '\n'));
}

// Rendering errors of llama.cpp's engine name their line: "at line 3, column 7 in source". 0 where they do not.
int line_of_rendering_error(const std::string & what) {
    const std::string before = "at line ";
    const size_t      at = what.find(before);
    int               line = 0;
    for (size_t i = at == std::string::npos ? what.size() : at + before.size(); i < what.size() && what[i] >= '0' && what[i] <= '9'; i++) {
        line = std::min(line * 10 + (what[i] - '0'), 100000000);
    }
    return line;
}

std::string parse_failure(const std::vector<jinja::token> & tokens, size_t count, const std::string & source) {
    jinja::lexer_result part;
    part.tokens.assign(tokens.begin(), tokens.begin() + std::ptrdiff_t(count));
    part.source = source;
    try {
        jinja::parse_from_tokens(part);
    } catch (const std::exception & error) {
        return error.what();
    }
    return {};
}

// Many of the parser's errors do not say where. It stops at the first token it cannot take, so the shortest beginning of
// the tokens that fails in the same way ends with that token.
int line_of_parse_error(const std::vector<jinja::token> & tokens, const std::string & source, const std::string & what) {
    if (tokens.empty()) return 1;
    const bool at_end = what.find("EOF") != std::string::npos || what.find("(Got )") != std::string::npos ||
        what.find("of type 0") != std::string::npos;
    size_t fails = tokens.size();
    for (size_t passes = 0; !at_end && fails - passes > 1;) {
        const size_t middle = passes + (fails - passes) / 2;
        if (parse_failure(tokens, middle, source) == what) fails = middle;
        else passes = middle;
    }
    return line_at(source, tokens[fails - 1].pos);
}

// The reason alone, without the quoted source: it stays available as the error's cause.
std::string reason_of(const std::string & what) {
    const size_t at = what.rfind("\nError: ");
    if (at != std::string::npos) return what.substr(at + 8);
    return what.substr(0, what.find("\n..."));
}

[[noreturn]] void template_error(const std::string & doing, const std::string & what, int line) {
    ErrorDetails details;
    if (line > 0) details["line"] = double(line);
    throw Error("TEMPLATE", "The chat template " + doing + (line > 0 ? " (line " + std::to_string(line) + ")" : "") + ": " +
        reason_of(what), details, what);
}

// llama.cpp's parser recurses, at most once a token of a statement.
constexpr size_t longest_statement = 4000;

void check_statement_lengths(const jinja::lexer_result & lexed) {
    size_t length = 0;
    for (const auto & token : lexed.tokens) {
        length = token.t == jinja::token::text ? 0 : length + 1;
        if (token.t == jinja::token::close_statement || token.t == jinja::token::close_expression) length = 0;
        if (length > longest_statement) {
            template_error("cannot be parsed", "a statement has more than 4000 tokens", line_at(lexed.source, token.pos));
        }
    }
}

jinja::lexer_result tokenize_template(const std::string & source) {
    try {
        jinja::lexer lexer;
        return lexer.tokenize(source);
    } catch (const std::exception & error) {
        // The lexer's errors quote the source around the place, newlines as arrows, with a caret below.
        const std::string what = error.what();
        const size_t      begin = what.find("\n...");
        const size_t      end = begin == std::string::npos ? begin : what.find("...\n", begin + 4);
        const size_t      caret = what.rfind('^');
        int               line = 0;
        if (end != std::string::npos && caret != std::string::npos && caret >= end + 7) {
            std::string excerpt = what.substr(begin + 4, end - begin - 4);
            for (size_t at; (at = excerpt.find("\xE2\x86\xB5")) != std::string::npos;) excerpt.replace(at, 3, "\n");
            const size_t at = source.find(excerpt);
            if (at != std::string::npos) line = line_at(source, at + (caret - (end + 7)));
        }
        template_error("cannot be parsed", what, line);
    }
}

} // namespace

ChatTemplate::ChatTemplate(std::string source) : program(std::make_unique<Program>()) {
    Guard      guard;
    const auto tokens = tokenize_template(source);
    check_statement_lengths(tokens);
    try {
        program->nodes = jinja::parse_from_tokens(tokens);
    } catch (const std::exception & error) {
        template_error("cannot be parsed", error.what(), line_of_parse_error(tokens.tokens, tokens.source, error.what()));
    }
    program->source = tokens.source;
}

ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::render(const std::string & variables) const {
    Guard       guard;
    common_json json;
    try {
        json = common_json::parse(variables);
    } catch (const std::exception & error) {
        throw Error("INVALID_OPTION", std::string("Expected a JSON object for the template's variables: ") + error.what());
    }
    if (!json.is_object()) throw Error("INVALID_OPTION", "Expected a JSON object for the template's variables");
    try {
        jinja::context context(program->source);
        jinja::global_from_json(context, json, /* mark_input */ false);
        jinja::runtime runtime(context);
        const auto     results = runtime.execute(program->nodes);
        return jinja::runtime::gather_string_parts(results)->as_string().str();
    } catch (const std::exception & error) {
        template_error("cannot be rendered", error.what(), line_of_rendering_error(error.what()));
    }
}

} // namespace llama_native

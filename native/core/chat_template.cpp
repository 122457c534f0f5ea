#include "core/chat_template.h"

#include "core/error.h"
#include "core/runtime.h"
#include "jinja/lexer.h"
#include "jinja/parser.h"
#include "jinja/runtime.h"
#include "jinja/value.h"
#include "json.h"

#include <algorithm>
#include <regex>
#include <utility>

namespace llama_native {

struct ChatTemplate::Program {
    std::string    source;
    jinja::program nodes;
};

namespace {

// Rendering errors of llama.cpp's engine name their line ("at line 3, column 7 in source"); parse errors quote the source
// around the place, with newlines shown as arrows, and a caret below. In those the excerpt is looked up in the source.
int line_of(const std::string & source, const std::string & what) {
    std::smatch match;
    if (std::regex_search(what, match, std::regex("at line (\\d+), column \\d+ in source"))) return std::stoi(match[1]);

    const size_t begin = what.find("\n...");
    const size_t end = begin == std::string::npos ? begin : what.find("...\n", begin + 4);
    const size_t caret = what.rfind('^');
    if (end == std::string::npos || caret == std::string::npos || caret < end + 7) return 0;
    std::string excerpt = what.substr(begin + 4, end - begin - 4);
    for (size_t at; (at = excerpt.find("\xE2\x86\xB5")) != std::string::npos;) excerpt.replace(at, 3, "\n");
    const size_t at = source.find(excerpt);
    if (at == std::string::npos) return 0;
    const size_t position = std::min(source.size(), at + (caret - (end + 7)));
    return 1 + int(std::count(source.begin(), source.begin() + std::ptrdiff_t(position), '\n'));
}

// The reason alone, without the quoted source: it stays available as the error's cause.
std::string reason_of(const std::string & what) {
    const size_t at = what.rfind("\nError: ");
    if (at != std::string::npos) return what.substr(at + 8);
    return what.substr(0, what.find("\n..."));
}

[[noreturn]] void template_error(const std::string & source, const std::string & doing, const std::string & what) {
    const int    line = line_of(source, what);
    ErrorDetails details;
    if (line > 0) details["line"] = double(line);
    throw Error("TEMPLATE", "The chat template " + doing + (line > 0 ? " (line " + std::to_string(line) + ")" : "") + ": " +
        reason_of(what), details, what);
}

} // namespace

ChatTemplate::ChatTemplate(std::string source) : program(std::make_unique<Program>()) {
    Guard guard;
    try {
        jinja::lexer lexer;
        auto         tokens = lexer.tokenize(source);
        program->nodes = jinja::parse_from_tokens(tokens);
        program->source = tokens.source;
    } catch (const std::exception & error) {
        template_error(source, "cannot be parsed", error.what());
    }
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
        template_error(program->source, "cannot be rendered", error.what());
    }
}

} // namespace llama_native

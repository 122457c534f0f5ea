#pragma once

#include <memory>
#include <string>

namespace llama_native {

// A Jinja template, parsed once and rendered any number of times by llama.cpp's engine. Immutable; thread safe.
class ChatTemplate {
public:
    // Throws TEMPLATE, with the line in its details, where the source cannot be parsed.
    explicit ChatTemplate(std::string source);
    ~ChatTemplate();

    // `variables` is a JSON object whose members become the template's variables. Throws TEMPLATE where rendering fails
    // or the template itself raises, and INVALID_OPTION where `variables` is not such an object.
    std::string render(const std::string & variables) const;

private:
    struct Program;
    std::unique_ptr<Program> program;
};

} // namespace llama_native

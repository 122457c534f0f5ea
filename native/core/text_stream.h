#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llama_native {

// Turns the bytes of generated tokens into text that is safe to hand out: whole UTF-8 characters, and nothing that may
// turn out to be the beginning of a stop string. Pure; no threads, no llama.cpp.
class TextStream {
public:
    explicit TextStream(std::vector<std::string> stops) : stops(std::move(stops)) {}

    // Adds bytes and returns what may be emitted now. Once a stop string is complete, what stood before it has been
    // returned, `stopped()` is true, and later bytes are ignored.
    std::string push(std::string_view bytes);

    // Returns what was held back, with a cut-off last character as U+FFFD.
    std::string finish();

    bool                stopped() const { return matched != nullptr; }
    const std::string * stop_string() const { return matched; }

private:
    std::vector<std::string> stops;
    std::string              held;
    const std::string *      matched = nullptr;
};

// Bytes at the end of `text` that begin a UTF-8 character but do not complete it (0 to 3).
size_t incomplete_utf8_tail(std::string_view text);

} // namespace llama_native

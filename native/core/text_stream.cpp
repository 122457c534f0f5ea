#include "core/text_stream.h"

#include <algorithm>

namespace llama_native {

size_t incomplete_utf8_tail(std::string_view text) {
    const size_t limit = std::min<size_t>(3, text.size());
    for (size_t back = 1; back <= limit; back++) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xC0) == 0x80) continue;  // continuation byte: its lead is further back
        const size_t length = byte >= 0xF0 && byte <= 0xF4 ? 4 : byte >= 0xE0 ? (byte < 0xF0 ? 3 : 1) : byte >= 0xC2 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

namespace {

// Length of the longest suffix of `text` that is a proper prefix of a stop string.
size_t stop_prefix_tail(const std::string & text, const std::vector<std::string> & stops) {
    size_t longest = 0;
    for (const auto & stop : stops) {
        const size_t limit = std::min(text.size(), stop.size() - 1);
        for (size_t length = limit; length > longest; length--) {
            if (text.compare(text.size() - length, length, stop, 0, length) == 0) longest = length;
        }
    }
    return longest;
}

} // namespace

std::string TextStream::push(std::string_view bytes) {
    if (matched) return {};
    held += bytes;

    size_t first = std::string::npos;
    for (const auto & stop : stops) {
        const size_t at = held.find(stop);
        if (at != std::string::npos && (first == std::string::npos || at < first)) {
            first = at;
            matched = &stop;
        }
    }
    if (matched) {
        std::string text = held.substr(0, first);
        held.clear();
        return text;
    }

    const size_t keep = std::max(incomplete_utf8_tail(held), stop_prefix_tail(held, stops));
    std::string  text = held.substr(0, held.size() - keep);
    held.erase(0, text.size());
    // A stop string may begin in the middle of a character's bytes only if it is not valid UTF-8 itself; then the cut
    // would leave an incomplete character, which stays held.
    const size_t cut = incomplete_utf8_tail(text);
    if (cut) {
        held.insert(0, text, text.size() - cut, cut);
        text.resize(text.size() - cut);
    }
    return text;
}

std::string TextStream::finish() {
    if (matched) return {};
    std::string  text = std::move(held);
    const size_t cut = incomplete_utf8_tail(text);
    held.clear();
    if (cut) {
        text.resize(text.size() - cut);
        text += "\xEF\xBF\xBD";
    }
    return text;
}

} // namespace llama_native

#include "core/first_characters.h"

#include "core/model.h"

#include <string>

namespace llama_native {

namespace {

// The first code point of a text, or -1 where its bytes are not, or not all, there.
int64_t first_code_point(const std::string & text) {
    const auto byte = [&](size_t i) { return uint32_t(uint8_t(text[i])); };
    const uint32_t first = byte(0);
    if (first < 0x80) return first;
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (length == 0 || text.size() < length) return -1;
    uint32_t value = first & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((byte(i) & 0xc0) != 0x80) return -1;
        value = (value << 6) | (byte(i) & 0x3f);
    }
    return value;
}

} // namespace

FirstCharacters::FirstCharacters(const Model & model) {
    for (llama_token token = 0; token < model.vocabulary_size(); token++) {
        const std::string text = model.piece(token, /* render_special */ true);
        if (llama_vocab_is_eog(model.vocab(), token)) {
            others.push_back(token);
        } else if (!text.empty()) {
            const int64_t first = first_code_point(text);
            (first < 0 ? others : tokens[uint32_t(first)]).push_back(token);
        }
    }
}

} // namespace llama_native

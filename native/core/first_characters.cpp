#include "core/first_characters.h"

#include <string>

namespace llama_native {

namespace {

std::string piece_of(const llama_vocab * vocabulary, llama_token token) {
    std::string text(64, '\0');
    int32_t     length = llama_token_to_piece(vocabulary, token, text.data(), int32_t(text.size()), 0, /* special */ true);
    if (length < 0) {
        text.resize(size_t(-length));
        length = llama_token_to_piece(vocabulary, token, text.data(), int32_t(text.size()), 0, true);
    }
    text.resize(size_t(length < 0 ? 0 : length));
    return text;
}

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

FirstCharacters::FirstCharacters(const llama_vocab * vocabulary) {
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocabulary); token++) {
        const std::string text = piece_of(vocabulary, token);
        if (llama_vocab_is_eog(vocabulary, token)) {
            others.push_back(token);
        } else if (!text.empty()) {
            const int64_t first = first_code_point(text);
            (first < 0 ? others : tokens[uint32_t(first)]).push_back(token);
        }
    }
}

} // namespace llama_native

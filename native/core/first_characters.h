#pragma once

#include "llama.h"

#include <cstdint>
#include <map>
#include <vector>

namespace llama_native {

class Model;

// The tokens of a vocabulary by the character that their text begins with, immutable.
struct FirstCharacters {
    explicit FirstCharacters(const Model & model);

    std::map<uint32_t, std::vector<llama_token>> tokens;  // by code point
    // Those that begin with a part of a character, and those that end a generation.
    std::vector<llama_token> others;
};

} // namespace llama_native

#pragma once

#include "core/decoder.h"

#include <vector>

namespace llama_native {

// Pooled embeddings of whole inputs, several to a batch. Belongs to the engine's thread, with a Decoder made for
// embeddings.
class Embedder {
public:
    Embedder(Decoder & decoder, uint32_t slots) : decoder(decoder), slots(slots) {}

    // Embeds as many inputs from `first` on as one batch takes, appends one vector each to `out`, and returns how many.
    // Throws CONTEXT_OVERFLOW for an input longer than a batch.
    size_t embed(const std::vector<std::vector<llama_token>> & inputs, size_t first, std::vector<std::vector<float>> & out);

private:
    Decoder & decoder;
    uint32_t  slots;
};

} // namespace llama_native

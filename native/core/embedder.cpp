#include "core/embedder.h"

#include "core/error.h"

namespace llama_native {

size_t Embedder::embed(const std::vector<std::vector<llama_token>> & inputs, size_t first, std::vector<std::vector<float>> & out) {
    llama_context * context = decoder.context();
    if (decoder.memory()) llama_memory_clear(decoder.memory(), false);
    decoder.clear_batch();
    decoder.clear_abort();

    size_t taken = 0;
    for (; first + taken < inputs.size() && taken < slots; taken++) {
        const auto & tokens = inputs[first + taken];
        if (tokens.size() > size_t(decoder.batch_capacity())) {
            throw Error("CONTEXT_OVERFLOW", "The text has " + std::to_string(tokens.size()) + " tokens, but the embedding context holds " +
                    std::to_string(decoder.batch_capacity()),
                { { "promptTokens", double(tokens.size()) }, { "contextSize", double(decoder.batch_capacity()) } });
        }
        if (size_t(decoder.batch_size()) + tokens.size() > size_t(decoder.batch_capacity())) break;
        for (size_t i = 0; i < tokens.size(); i++) decoder.add(tokens[i], llama_pos(i), llama_seq_id(taken), true);
    }
    switch (decoder.decode()) {
        case Decoder::Outcome::Done: break;
        case Decoder::Outcome::NoRoom: throw Error("DECODE", "llama.cpp found no room for a batch of embeddings");
        case Decoder::Outcome::Aborted: throw Error("DISPOSED", "The context has been disposed");
    }
    const auto width = static_cast<size_t>(llama_model_n_embd_out(decoder.model().get()));
    for (size_t i = 0; i < taken; i++) {
        const float * vector = llama_get_embeddings_seq(context, llama_seq_id(i));
        if (!vector) throw Error("DECODE", "llama.cpp gave no embedding");
        out.emplace_back(vector, vector + width);
    }
    return taken;
}

} // namespace llama_native

#pragma once

#include "core/model.h"

#include <memory>
#include <string>
#include <vector>

struct common_sampler;

namespace llama_native {

class Grammar;

// Sampling options in llama.cpp's terms; src/native/contract.ts says what each means.
struct SamplingParams {
    uint32_t                 seed = 0;
    float                    temperature = 0.8f;
    float                    dynamic_temperature_range = 0;
    float                    dynamic_temperature_exponent = 1;
    int32_t                  top_k = 40;
    float                    top_p = 0.95f;
    float                    min_p = 0.05f;
    float                    typical_p = 1;
    float                    top_n_sigma = -1;
    int32_t                  min_keep = 0;
    float                    xtc_probability = 0;
    float                    xtc_threshold = 0.1f;
    float                    dry_multiplier = 0;
    float                    dry_base = 1.75f;
    int32_t                  dry_allowed_length = 2;
    int32_t                  dry_penalty_last_n = -1;
    std::vector<std::string> dry_sequence_breakers;
    float                    repeat_penalty = 1;
    float                    frequency_penalty = 0;
    float                    presence_penalty = 0;
    int32_t                  repeat_last_n = 64;
    int32_t                  mirostat = 0;
    float                    mirostat_tau = 5;
    float                    mirostat_eta = 0.1f;
    std::vector<llama_logit_bias> logit_bias;
    std::vector<std::string> order;
    std::string              grammar;
    bool                     ignore_eos = false;
};

struct TokenLogprob {
    llama_token token;
    float       logprob;
};

// Samples for one request. Belongs to the engine's thread.
class Sampler {
public:
    // Throws GRAMMAR for a grammar that cannot be parsed and INVALID_OPTION for values llama.cpp cannot take.
    // `context_size` bounds the look-back of penalties.
    Sampler(const Model & model, SamplingParams params, int32_t context_size);
    ~Sampler();

    // Makes prompt tokens count for repetition penalties.
    void accept_prompt(const std::vector<llama_token> & tokens);

    // Samples from output `index` of the last decode and accepts the token. Throws GRAMMAR where no token satisfies the
    // grammar, and DECODE where the logits are not numbers.
    llama_token sample(llama_context * context, int32_t index);

private:
    class BiasedLogits;
    llama_token choose(llama_context * context, int32_t index, const float * logits);
    llama_token choose_freely(llama_context * context, int32_t index, const float * logits);
    llama_token sample_candidates();
    llama_token end_of_grammar() const;

    const Model &    model;
    common_sampler * chain = nullptr;
    std::unique_ptr<Grammar> grammar;  // null: anything may come
    std::vector<llama_logit_bias> biases;
    bool             greedy = false;  // plain argmax: nothing but biases changes the logits, nothing depends on history
    int32_t          leading_top_k = 0;  // > 0: the chain begins with this top-k, so it needs to see no other candidates
    std::vector<llama_token_data> candidates;
    bool             looks_back = false;
    size_t           look_back = 0;
};

// Log-probabilities under the model itself (softmax of the raw logits, before any sampling option): of `token`, then of
// the `top` most likely tokens in descending order.
std::vector<TokenLogprob> token_logprobs(const float * logits, int32_t size, llama_token token, int32_t top);

} // namespace llama_native

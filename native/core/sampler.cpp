#include "core/sampler.h"

#include "core/error.h"
#include "core/grammar.h"
#include "core/runtime.h"
#include "core/top_k.h"
#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace llama_native {

namespace {

// llama.cpp reads the whole vocabulary once for each, while the context's other requests wait.
constexpr size_t most_sequence_breakers = 16;

enum common_sampler_type sampler_type(const std::string & name) {
    const auto types = common_sampler_types_from_names({ name });
    if (types.empty() || name == "infill" || name == "adaptive_p") {
        throw Error("INVALID_OPTION", "Expected names of samplers for samplerOrder but received \"" + name + "\"");
    }
    return types.front();
}

bool is_active(enum common_sampler_type type, const common_params_sampling & params) {
    switch (type) {
        case COMMON_SAMPLER_TYPE_PENALTIES:
            return params.penalty_last_n != 0 &&
                (params.penalty_repeat != 1 || params.penalty_freq != 0 || params.penalty_present != 0);
        case COMMON_SAMPLER_TYPE_DRY:
            return params.dry_multiplier != 0 && params.dry_base >= 1 && params.dry_penalty_last_n != 0;
        case COMMON_SAMPLER_TYPE_TOP_N_SIGMA: return params.top_n_sigma > 0;
        case COMMON_SAMPLER_TYPE_TOP_K: return params.top_k > 0;
        case COMMON_SAMPLER_TYPE_TYPICAL_P: return params.typ_p < 1;
        case COMMON_SAMPLER_TYPE_TOP_P: return params.top_p < 1;
        case COMMON_SAMPLER_TYPE_MIN_P: return params.min_p > 0;
        case COMMON_SAMPLER_TYPE_XTC: return params.xtc_probability > 0;
        default: return true;
    }
}

common_params_sampling convert(const SamplingParams & in, int32_t context_size) {
    const auto look_back = [&](int32_t n) { return n < 0 ? context_size : std::min(n, context_size); };
    common_params_sampling out;
    out.seed = in.seed;
    out.temp = in.temperature;
    out.dynatemp_range = in.dynamic_temperature_range;
    out.dynatemp_exponent = in.dynamic_temperature_exponent;
    out.top_k = in.top_k;
    out.top_p = in.top_p;
    out.min_p = in.min_p;
    out.typ_p = in.typical_p;
    out.top_n_sigma = in.top_n_sigma;
    out.min_keep = in.min_keep;
    out.xtc_probability = in.xtc_probability;
    out.xtc_threshold = in.xtc_threshold;
    out.dry_multiplier = in.dry_multiplier;
    out.dry_base = in.dry_base;
    out.dry_allowed_length = in.dry_allowed_length;
    out.dry_penalty_last_n = look_back(in.dry_penalty_last_n);
    out.dry_sequence_breakers = in.dry_sequence_breakers;
    out.penalty_repeat = in.repeat_penalty;
    out.penalty_freq = in.frequency_penalty;
    out.penalty_present = in.presence_penalty;
    out.penalty_last_n = look_back(in.repeat_last_n);
    out.mirostat = in.mirostat;
    out.mirostat_tau = in.mirostat_tau;
    out.mirostat_eta = in.mirostat_eta;
    out.no_perf = true;
    out.samplers.clear();
    for (const auto & name : in.order) {
        const auto type = sampler_type(name);
        if (is_active(type, out)) out.samplers.push_back(type);
    }
    // Without a temperature in the chain llama.cpp draws from what is left, and a range would be one around nothing.
    if (in.temperature <= 0 && in.mirostat == 0) {
        out.dynatemp_range = 0;
        const auto & order = out.samplers;
        if (std::find(order.begin(), order.end(), COMMON_SAMPLER_TYPE_TEMPERATURE) == order.end()) {
            out.samplers.push_back(COMMON_SAMPLER_TYPE_TEMPERATURE);
        }
    }
    return out;
}

llama_token argmax(const float * logits, int32_t size) {
    // Two passes, as a compiler vectorizes the maximum but not a search for its place.
    float best = logits[0];
    for (int32_t i = 1; i < size; i++) best = logits[i] > best ? logits[i] : best;
    for (int32_t i = 0; i < size; i++) {
        if (logits[i] == best) return i;
    }
    return LLAMA_TOKEN_NULL;  // not-a-number only
}

} // namespace

// Adds the biases to the logits where they lie, and takes them back: a handful of tokens, where llama.cpp's own sampler
// for biases needs a list of the whole vocabulary.
class Sampler::BiasedLogits {
public:
    BiasedLogits(float * logits, const std::vector<llama_logit_bias> & biases) : logits(logits), biases(biases) {
        for (const auto & bias : biases) {
            before.push_back(logits[bias.token]);
            logits[bias.token] += bias.bias;
        }
    }
    ~BiasedLogits() {
        for (size_t i = biases.size(); i-- > 0;) logits[biases[i].token] = before[i];
    }
    BiasedLogits(const BiasedLogits &) = delete;
    BiasedLogits & operator=(const BiasedLogits &) = delete;

private:
    float *                               logits;
    const std::vector<llama_logit_bias> & biases;
    std::vector<float>                    before;
};

Sampler::Sampler(const Model & model, SamplingParams params, int32_t context_size) : model(model) {
    Guard guard;
    if (!params.grammar.empty()) grammar = std::make_unique<Grammar>(model, params.grammar);
    if (params.dry_sequence_breakers.size() > most_sequence_breakers) {
        throw Error("INVALID_OPTION", "Expected at most " + std::to_string(most_sequence_breakers) + " sequence breakers for dry");
    }
    if (params.mirostat < 0 || params.mirostat > 2) throw Error("INVALID_OPTION", "Expected 0, 1 or 2 for mirostat");
    for (const auto & bias : params.logit_bias) model.check_token(bias.token, "logitBias");
    if (params.ignore_eos) {
        for (const llama_token token : model.end_of_generation()) params.logit_bias.push_back({ token, -INFINITY });
    }
    biases = std::move(params.logit_bias);

    common_params_sampling native = convert(params, context_size);
    looks_back = is_active(COMMON_SAMPLER_TYPE_PENALTIES, native) || is_active(COMMON_SAMPLER_TYPE_DRY, native);
    look_back = static_cast<size_t>(std::max(native.penalty_last_n, native.dry_penalty_last_n));

    int32_t suppressed = 0;
    llama_vocab_get_suppress_tokens(model.vocab(), &suppressed);
    greedy = params.temperature <= 0 && params.mirostat == 0 && !looks_back && suppressed == 0 && !is_active(COMMON_SAMPLER_TYPE_XTC, native);
    if (greedy) return;
    // Most often the chain begins with top-k. Choosing those directly costs a tenth of building, and then sorting, a list
    // of the whole vocabulary.
    if (params.mirostat == 0 && suppressed == 0 && !native.samplers.empty() &&
        native.samplers.front() == COMMON_SAMPLER_TYPE_TOP_K && params.min_keep <= params.top_k) {
        leading_top_k = params.top_k;
    }
    try {
        chain = common_sampler_init(model.get(), native);
    } catch (const std::exception & error) {
        throw Error("INVALID_OPTION", std::string("These sampling options cannot be used: ") + error.what(), {}, guard.log());
    }
}

Sampler::~Sampler() { common_sampler_free(chain); }

void Sampler::accept_prompt(const std::vector<llama_token> & tokens) {
    if (!chain || !looks_back) return;
    const size_t first = tokens.size() > look_back ? tokens.size() - look_back : 0;
    for (size_t i = first; i < tokens.size(); i++) common_sampler_accept(chain, tokens[i], /* is_generated */ false);
}

llama_token Sampler::sample(llama_context * context, int32_t index) {
    float * logits = llama_get_logits_ith(context, index);
    if (!logits) throw Error("DECODE", "llama.cpp gave no logits for this step");
    const BiasedLogits biased(logits, biases);
    const llama_token  token = choose(context, index, logits);
    if (token < 0 || token >= model.vocabulary_size() || std::isnan(logits[token])) {
        throw Error("DECODE", "The model's output is not a number; its weights are damaged, or overflow in this precision");
    }
    if (grammar) grammar->accept(token);
    if (!greedy) common_sampler_accept(chain, token, /* is_generated */ true);
    return token;
}

// What would be taken without a grammar is taken where the grammar allows it, so that it costs next to nothing for a model
// that keeps to it by itself; else the likeliest of what it allows.
llama_token Sampler::choose(llama_context * context, int32_t index, const float * logits) {
    const llama_token token = choose_freely(context, index, logits);
    if (!grammar || token == LLAMA_TOKEN_NULL || grammar->allows(token)) return token;
    if (greedy) grammar->best(logits, 1, candidates);
    else if (leading_top_k > 0) grammar->best(logits, leading_top_k, candidates);
    else grammar->all(logits, candidates);
    if (candidates.empty()) return end_of_grammar();
    return greedy ? candidates.front().id : sample_candidates();
}

// A text that can only end does so, also where tokens that end it were never to be sampled.
llama_token Sampler::end_of_grammar() const {
    for (const llama_token token : model.end_of_generation()) {
        if (grammar->allows(token)) return token;
    }
    throw Error("GRAMMAR", "No token of the model continues the grammar");
}

llama_token Sampler::choose_freely(llama_context * context, int32_t index, const float * logits) {
    if (greedy) return argmax(logits, model.vocabulary_size());
    if (leading_top_k == 0) return common_sampler_sample(chain, context, index);
    top_k(logits, model.vocabulary_size(), leading_top_k, candidates);
    return candidates.empty() ? LLAMA_TOKEN_NULL : sample_candidates();  // empty: not-a-number only
}

llama_token Sampler::sample_candidates() {
    const bool             sorted = leading_top_k > 0;
    llama_token_data_array array{ candidates.data(), candidates.size(), -1, sorted };
    llama_sampler_apply(common_sampler_get(chain), &array);
    return array.selected < 0 ? LLAMA_TOKEN_NULL : array.data[array.selected].id;
}

std::vector<TokenLogprob> token_logprobs(const float * logits, int32_t size, llama_token token, int32_t top) {
    const float highest = *std::max_element(logits, logits + size);
    double      sum = 0;
    for (int32_t i = 0; i < size; i++) sum += std::exp(double(logits[i]) - highest);
    const double normalizer = highest + std::log(sum);

    std::vector<llama_token> order(static_cast<size_t>(size));
    std::iota(order.begin(), order.end(), 0);
    const auto count = static_cast<std::ptrdiff_t>(std::min(top, size));
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
        [&](llama_token a, llama_token b) { return logits[a] > logits[b]; });

    std::vector<TokenLogprob> result{ { token, float(logits[token] - normalizer) } };
    for (std::ptrdiff_t i = 0; i < count; i++) result.push_back({ order[size_t(i)], float(logits[order[size_t(i)]] - normalizer) });
    return result;
}

} // namespace llama_native

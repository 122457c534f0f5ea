#include "core/decoder.h"

#include "core/error.h"
#include "core/runtime.h"

#include <algorithm>
#include <array>
#include <optional>

namespace llama_native {

namespace {

constexpr std::array<ggml_type, 9> kv_types = { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0,
    GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_IQ4_NL, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1 };

ggml_type kv_type(const std::string & name, const char * option) {
    for (const ggml_type type : kv_types) {
        if (name == ggml_type_name(type)) return type;
    }
    throw Error("INVALID_OPTION", std::string("Expected a KV cache type for ") + option + " but received \"" + name + "\"");
}

// Logits rows of one decode beyond the running requests' own: what sequences evaluated with all logits may use at once.
constexpr uint32_t spare_outputs = 32;

} // namespace

std::vector<std::string> kv_type_names() {
    std::vector<std::string> names;
    for (const ggml_type type : kv_types) names.emplace_back(ggml_type_name(type));
    return names;
}

Decoder::Decoder(std::shared_ptr<Model> model, const ContextParams & params, uint32_t slots) : model_(std::move(model)) {
    if (model_->vocabulary_only()) {
        throw Error("INVALID_OPTION", "A model loaded with vocabularyOnly has no weights to make a context of");
    }
    threads_ = params.threads > 0 ? params.threads : default_thread_count();
    batch_threads_ = params.batch_threads > 0 ? params.batch_threads : threads_;

    llama_context_params native = llama_context_default_params();
    native.n_ctx = params.context_size;
    native.n_seq_max = slots;
    native.kv_unified = true;
    native.n_batch = params.batch_size;
    native.n_ubatch = std::min(params.micro_batch_size, params.batch_size);
    native.n_outputs_max = params.embeddings ? 0 : slots + spare_outputs;  // no fewer than sequences, whatever a batch holds
    native.n_threads = threads_;
    native.n_threads_batch = batch_threads_;
    native.type_k = kv_type(params.kv_type_k, "kvType");
    native.type_v = kv_type(params.kv_type_v, "kvType");
    native.flash_attn_type = params.flash_attention;
    native.offload_kqv = params.offload_kv;
    native.rope_freq_base = params.rope_frequency_base;
    native.rope_freq_scale = params.rope_frequency_scale;
    native.embeddings = params.embeddings;
    native.pooling_type = params.pooling;
    native.no_perf = true;
    native.swa_full = true;  // all positions of a sliding window stay, so that any prefix can be taken over
    native.abort_callback = [](void * self) {
        const auto & decoder = *static_cast<const Decoder *>(self);
        decoder.watch();
        return decoder.is_told_to_stop();
    };
    native.abort_callback_data = this;
    if (ggml_is_quantized(native.type_v) && params.flash_attention == LLAMA_FLASH_ATTN_TYPE_DISABLED) {
        throw Error("INVALID_OPTION", "A quantized KV cache (" + params.kv_type_v + ") needs flashAttention \"auto\" or \"on\"");
    }

    Guard       guard;
    std::string reason;
    try {
        context_.reset(llama_init_from_model(model_->get(), native));
    } catch (const std::exception & error) {
        reason = error.what();
    }
    if (!context_) {
        const std::string log = guard.log();
        if ((log + reason).find("alloc") != std::string::npos) {
            throw Error("INSUFFICIENT_MEMORY",
                "A context of " + std::to_string(params.context_size) + " tokens does not fit in memory; choose a smaller contextSize or kvType",
                { { "contextSize", double(params.context_size) } }, log);
        }
        throw Error("INVALID_OPTION", "llama.cpp cannot make a context with these options" + (reason.empty() ? "" : ": " + reason), {}, log);
    }
    if (!params.embeddings && !memory()) {
        throw Error("INVALID_OPTION", "This model keeps nothing of what it has read; such models can embed at most, not generate");
    }
    batch_capacity_ = static_cast<int32_t>(llama_n_batch(context_.get()));
    max_outputs_ = params.embeddings ? batch_capacity_ : std::min(batch_capacity_, static_cast<int32_t>(native.n_outputs_max));
    batch = llama_batch_init(batch_capacity_, 0, 1);

    pool = ThreadPool::acquire(threads_);
    batch_pool = ThreadPool::acquire(batch_threads_);
    llama_attach_threadpool(context_.get(), pool->get(), batch_pool->get());
}

Decoder::~Decoder() { llama_batch_free(batch); }

int32_t Decoder::add(llama_token token, llama_pos position, llama_seq_id sequence, bool output) {
    if (batch.n_tokens >= batch_capacity_) throw Error("DECODE", "A batch was given more tokens than it holds");
    const int32_t index = batch.n_tokens++;
    batch.token[index] = token;
    batch.pos[index] = position;
    batch.n_seq_id[index] = 1;
    batch.seq_id[index][0] = sequence;
    batch.logits[index] = output;
    outputs += output;
    return index;
}

Decoder::Outcome Decoder::decode() {
    Guard   guard;
    int32_t result;
    try {
        // llama.cpp chooses the pool by micro-batch, so a decode may use both. Everybody locks the larger one last.
        const auto goes_on = [this] {
            watch();
            return !is_told_to_stop();
        };
        const bool                      same = pool == batch_pool;
        ThreadPool::Turn                first(threads_ <= batch_threads_ ? *pool : *batch_pool, goes_on);
        if (!first.holds()) return Outcome::Aborted;
        std::optional<ThreadPool::Turn> second;
        if (!same) second.emplace(threads_ <= batch_threads_ ? *batch_pool : *pool, goes_on);
        if (second && !second->holds()) return Outcome::Aborted;
        result = llama_decode(context_.get(), batch);
        llama_synchronize(context_.get());
    } catch (const std::exception & error) {
        throw Error("DECODE", std::string("llama.cpp failed to evaluate: ") + error.what(), {}, guard.log());
    }
    switch (result) {
        case 0: return Outcome::Done;
        case 1: return Outcome::NoRoom;
        case 2: return Outcome::Aborted;
        default:
            throw Error("DECODE", "llama.cpp failed to evaluate a batch of " + std::to_string(batch.n_tokens) +
                " tokens (code " + std::to_string(result) + ")", {}, guard.log());
    }
}

} // namespace llama_native

#pragma once

#include "core/model.h"
#include "core/thread_pool.h"

#include "llama-cpp.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llama_native {

struct ContextParams {
    uint32_t                   context_size = 0;  // tokens of all sequences together; 0: the model's
    uint32_t                   sequences = 1;     // requests that may run at once
    uint32_t                   batch_size = 512;
    uint32_t                   micro_batch_size = 512;
    int32_t                    threads = 0;  // 0: this machine's default
    int32_t                    batch_threads = 0;
    std::string                kv_type_k = "f16";
    std::string                kv_type_v = "f16";
    llama_flash_attn_type      flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
    bool                       offload_kv = true;
    uint32_t                   queue_size = 1024;
    double                     packet_interval_ms = 0;
    uint64_t                   ram_cache_bytes = 0;  // for sequences that leave the KV cache
    float                      rope_frequency_base = 0;
    float                      rope_frequency_scale = 0;
    bool                       embeddings = false;
    enum llama_pooling_type    pooling = LLAMA_POOLING_TYPE_UNSPECIFIED;
};

// Names accepted as KV cache types.
std::vector<std::string> kv_type_names();

// One llama_context with its batch, sequences' memory and abort flag. Everything but `abort` belongs to one thread.
class Decoder {
public:
    // `slots`: sequence ids that may hold tokens. Throws INSUFFICIENT_MEMORY or INVALID_OPTION.
    Decoder(std::shared_ptr<Model> model, const ContextParams & params, uint32_t slots);
    ~Decoder();
    Decoder(const Decoder &) = delete;
    Decoder & operator=(const Decoder &) = delete;

    const Model &   model() const { return *model_; }
    llama_context * context() const { return context_.get(); }
    llama_memory_t  memory() const { return llama_get_memory(context_.get()); }
    int32_t         batch_capacity() const { return batch_capacity_; }
    int32_t         batch_size() const { return batch.n_tokens; }
    int32_t         output_count() const { return outputs; }
    int32_t         max_outputs() const { return max_outputs_; }
    int32_t         threads() const { return threads_; }
    int32_t         batch_threads() const { return batch_threads_; }

    void clear_batch() { batch.n_tokens = outputs = 0; }
    // Returns the token's index in the batch.
    int32_t add(llama_token token, llama_pos position, llama_seq_id sequence, bool output);

    enum class Outcome { Done, NoRoom, Aborted };
    // Evaluates the batch. NoRoom leaves the memory as it was; Aborted keeps a prefix of the batch, which `position_end`
    // tells. Throws DECODE for everything else.
    Outcome decode();

    // May be called from any thread: the decode that runs, if any, stops within one tensor operation; so does the next
    // if none runs, unless `clear_abort` comes first.
    void abort() { aborted.store(true, std::memory_order_relaxed); }
    void clear_abort() { aborted.store(false, std::memory_order_relaxed); }
    // Called on the decoder's own thread all through a decode, between tensor operations: it must be quick, touch no
    // memory of the context, and throw nothing.
    void set_watch(std::function<void()> called) { watch = std::move(called); }
    // May be called from any thread: stops this decode and every later one.
    void shut_down() { shut.store(true, std::memory_order_relaxed); }
    bool is_shut_down() const { return shut.load(std::memory_order_relaxed); }
    bool is_told_to_stop() const { return aborted.load(std::memory_order_relaxed) || is_shut_down(); }

    // The position after the sequence's last token in memory.
    llama_pos position_end(llama_seq_id sequence) const { return llama_memory_seq_pos_max(memory(), sequence) + 1; }

    const float * logits(int32_t index) const { return llama_get_logits_ith(context_.get(), index); }

private:
    std::shared_ptr<Model>      model_;
    std::shared_ptr<ThreadPool> pool;
    std::shared_ptr<ThreadPool> batch_pool;
    llama_context_ptr           context_;  // freed before the pools it computes on
    llama_batch                 batch{};
    int32_t                     outputs = 0;
    int32_t                     batch_capacity_ = 0;
    int32_t                     max_outputs_ = 0;
    int32_t                     threads_ = 0;
    int32_t                     batch_threads_ = 0;
    std::function<void()>       watch = [] {};
    std::atomic<bool>           aborted{ false };
    std::atomic<bool>           shut{ false };
};

} // namespace llama_native

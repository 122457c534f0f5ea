#pragma once

#include "core/error.h"
#include "core/sampler.h"
#include "core/schedule.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace llama_native {

// What a caller asks of an engine; src/native/contract.ts documents each field.
struct Request {
    int64_t                  id = 0;
    std::vector<llama_token> tokens;
    int32_t                  max_tokens = 0;
    std::vector<std::string> stop;
    std::vector<llama_token> stop_tokens;
    int32_t                  logprobs = -1;
    bool                     context_shift = false;
    int32_t                  keep_tokens = 0;
    bool                     cache_prompt = true;
    bool                     render_special = false;
    int32_t                  priority = 0;
    int32_t                  prompt_lookup = 0;  // tokens to draft a step at most
    double                   timeout_ms = 0;  // 0: none
    double                   elapsed_ms = 0;  // since the caller made it, when it comes to the engine
    Clock::time_point        submitted;       // when the caller made it
    Clock::time_point        deadline = never;
    int32_t                  draft = -1;         // the same, for the draft model; -1: the default where there is one
    SamplingParams           sampling;
};

enum class EndReason { Stop, Length, Cancelled, Error };

struct GenerationEnd {
    EndReason                  reason;
    std::optional<std::string> stop_string;
    std::optional<llama_token> stop_token;
    int32_t                    prompt_tokens = 0;
    int32_t                    cached_tokens = 0;
    int32_t                    generated_tokens = 0;
    double                     queue_ms = 0;
    double                     first_token_ms = 0;
    double                     total_ms = 0;
    double                     prompt_ms = 0;
    double                     generation_ms = 0;
    int32_t                    context_shifts = 0;
    int32_t                    drafted_tokens = 0;
    int32_t                    accepted_tokens = 0;
    std::optional<Error>       error;
};

struct ReportedLogprob {
    llama_token token;
    float       logprob;
    std::string bytes;
};

// The chosen token first, then the top alternatives.
using ReportedToken = std::vector<ReportedLogprob>;

// What one request got from one step.
struct Event {
    int64_t                      id;
    std::string                  text;
    std::vector<llama_token>     tokens;
    std::vector<ReportedToken>   logprobs;
    int32_t                      prompt_processed = 0;
    std::optional<GenerationEnd> end;
};

using EventSink = std::function<void(std::vector<Event> &&)>;

struct SchedulerStats {
    uint64_t running = 0;
    uint64_t waiting = 0;
    uint64_t used_cells = 0;
    uint64_t total_cells = 0;
    uint64_t cached_sequences = 0;
    uint64_t steps = 0;
    uint64_t evaluated_tokens = 0;
    uint64_t cached_tokens = 0;
    uint64_t generated_tokens = 0;
    uint64_t cache_hits = 0;
    uint64_t evictions = 0;
    uint64_t preemptions = 0;
    uint64_t step_requests = 0;
    uint64_t checkpoint_bytes = 0;
    uint64_t stored_sequences = 0;
    uint64_t stored_bytes = 0;
    uint64_t restored_sequences = 0;
};

} // namespace llama_native

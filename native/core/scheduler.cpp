#include "core/scheduler.h"

#include "core/runtime.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace llama_native {

namespace {

// A decode of fewer tokens ends sooner than repeating it for the other requests would take.
constexpr int32_t smallest_batch_to_interrupt = 33;

// For checkpoints of a context, where its model's memory needs any.
constexpr size_t checkpoint_bytes = 256u << 20;

double ms_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

} // namespace

Scheduler::Run::Run(Request && in) :
    request(std::move(in)), history(std::move(request.tokens)), prompt_size(history.size()), text(request.stop) {}

Scheduler::Scheduler(Decoder & decoder, DraftModel * draft_model, const ContextParams & params, uint32_t slot_count, EventSink sink) :
    decoder(decoder), draft_model(draft_model), sink(std::move(sink)), packet_interval_ms(params.packet_interval_ms), max_running(params.sequences),
    ledger(slot_count, params.context_size ? params.context_size : llama_n_ctx(decoder.context())), slots(slot_count),
    checkpoint_budget(checkpoint_bytes),
    sequence_store(params.ram_cache_bytes, [this](size_t length, size_t common) { return goes_on(length, common); }),
    sliding_window(llama_model_n_swa(decoder.model().get())) {
    counters.total_cells = ledger.capacity();
    update_stats();
}

// --- Requests come and go -------------------------------------------------------------------------------------------

void Scheduler::add(Request && request) {
    const int64_t id = request.id;
    try {
        add_run(std::make_unique<Run>(std::move(request)));
    } catch (const std::exception & error) {
        report_lost(id, Error("DECODE", std::string("The request cannot be taken: ") + error.what()));
    }
}

void Scheduler::add_run(std::unique_ptr<Run> run) {
    run->urgency = { run->request.priority, arrivals++ };
    if (const auto now = Clock::now(); run->request.deadline <= now) {
        finish(*run, EndReason::Error, timed_out(*run, now));
        return;
    }
    try {
        run->sampler = std::make_unique<Sampler>(decoder.model(), run->request.sampling, int32_t(ledger.capacity()));
        run->sampler->accept_prompt(run->history);
    } catch (const Error & error) {
        finish(*run, EndReason::Error, error);
        return;
    } catch (const std::exception & error) {
        finish(*run, EndReason::Error, Error("DECODE", std::string("The request cannot be prepared: ") + error.what()));
        return;
    }
    const auto position = std::find_if(waiting.begin(), waiting.end(),
        [&](const auto & other) { return run->urgency.before(other->urgency); });
    alarm.add(run->request.deadline);
    waiting.insert(position, std::move(run));
}

void Scheduler::cancel(int64_t id) {
    for (auto * list : { &waiting, &running }) {
        for (auto & run : *list) {
            if (run->request.id == id && !run->ended) finish(*run, EndReason::Cancelled);
        }
    }
    remove_ended();
}

void Scheduler::cancel_all() {
    for (auto * list : { &waiting, &running }) {
        for (auto & run : *list) finish(*run, EndReason::Cancelled);
    }
    remove_ended();
    flush();
}

void Scheduler::expire(Clock::time_point now) {
    for (auto * list : { &waiting, &running }) {
        for (auto & run : *list) {
            if (run->ended) continue;
            if (run->request.deadline > now) {
                alarm.add(run->request.deadline);
                continue;
            }
            interrupt(run->request.id);
            report_end(*run, EndReason::Error, timed_out(*run, now));
        }
    }
    waiting.remove_if([](const auto & run) { return run->ended; });  // those that run are part of the decode until it ends
    update_stats();
}

void Scheduler::fail_all(const Error & error) {
    for (auto & run : running) {
        if (run->slot >= 0) drop(run->slot);
        run->slot = -1;
    }
    for (auto * list : { &waiting, &running }) {
        for (auto & run : *list) finish(*run, EndReason::Error, error);
    }
    remove_ended();
    flush();
}

void Scheduler::interrupt(int64_t id) {
    std::lock_guard<std::mutex> lock(shared_mutex);
    if (std::find(in_flight.begin(), in_flight.end(), id) != in_flight.end()) decoder.abort();
}

SchedulerStats Scheduler::stats() const {
    std::lock_guard<std::mutex> lock(shared_mutex);
    return published;
}

void Scheduler::update_stats() {
    counters.running = running.size();
    counters.waiting = waiting.size();
    counters.used_cells = ledger.used();
    counters.checkpoint_bytes = checkpoint_budget.used();
    counters.stored_sequences = sequence_store.size();
    counters.stored_bytes = sequence_store.bytes();
    counters.cached_sequences = static_cast<uint64_t>(
        std::count_if(slots.begin(), slots.end(), [](const Slot & slot) { return slot.use == Slot::Use::Cached; }));
    std::lock_guard<std::mutex> lock(shared_mutex);
    published = counters;
}

// --- One step -------------------------------------------------------------------------------------------------------

void Scheduler::step() {
    const auto began = Clock::now();
    remove_ended();
    admit();
    if (plan() && decode()) collect();
    remove_ended();
    update_stats();
    last_step_ms = ms_between(began, Clock::now());
    if (!may_wait_for_next_step()) flush();
}

bool Scheduler::may_wait_for_next_step() const {
    if (running.empty()) return false;
    size_t tokens = 0;
    for (const auto & event : outbox) tokens += event.tokens.size();
    return may_hold_back({ tokens, running.size(), outbox_urgent, ms_between(outbox_since, Clock::now()) }, last_step_ms, packet_interval_ms);
}

// Fills the batch; false where there is nothing to evaluate.
bool Scheduler::plan() {
    while (true) {
        decoder.clear_batch();
        for (auto & run : running) {
            run->in_batch = 0;
            run->output = -1;
            run->draft.clear();
        }
        int32_t decoding = 0;
        if (!plan_generation(decoding)) continue;  // made room by preempting: start over
        // Drafts have taken some of the batch already.
        const int32_t room = decoder.batch_capacity() - decoder.batch_size();
        plan_prompts(std::min(prompt_budget(cost, decoding, decoder.batch_capacity()), room));
        remove_ended();
        if (decoder.batch_size() > 0 || running.empty()) break;
        // Nothing could be added though requests run: their cells are all taken.
        if (!reclaim()) {
            finish(*running.back(), EndReason::Error, no_room_left());
            remove_ended();
        }
    }
    return decoder.batch_size() > 0;
}

// Takes the next token of every request that is past its prompt.
bool Scheduler::plan_generation(int32_t & decoding) {
    for (auto & run : running) {
        if (run->pending() == 1 && !fits_one_more(*run)) finish(*run, EndReason::Length);
    }
    remove_ended();
    decoding = static_cast<int32_t>(
        std::count_if(running.begin(), running.end(), [](const auto & run) { return run->pending() == 1; }));
    if (!make_room(size_t(decoding), -1)) {
        if (preempt_youngest()) return false;
    }
    for (auto & run : running) {
        if (run->pending() != 1) continue;
        if (ledger.free() == 0 && run->request.context_shift) shift(*run);
        if (run->pending() != 1) continue;
        if (ledger.free() == 0) {
            finish(*run, EndReason::Error, no_room_left());
            continue;
        }
        take_tokens(*run, 1);
    }
    plan_drafts(decoding);
    return true;
}

void Scheduler::plan_prompts(int32_t budget) {
    for (auto & run : running) {
        if (budget <= 0) return;
        if (run->ended || run->in_batch > 0 || run->pending() <= 1) continue;
        size_t count = std::min(run->pending(), size_t(budget));
        if (!decoder.model().can_truncate() && run->evaluated < run->prompt_size) {
            count = std::min(count, next_checkpoint(run->evaluated, run->prompt_size) - run->evaluated);
        }
        make_room(count, -1);
        count = std::min(count, ledger.free());
        if (count == 0) return;
        take_tokens(*run, count);
        budget -= int32_t(count);
    }
}

Error Scheduler::no_room_left() const {
    return Error("CONTEXT_OVERFLOW", "The context's low-level sequences leave no room for this request",
        { { "contextSize", double(ledger.capacity()) }, { "usedTokens", double(ledger.used()) } });
}

// Whether the run's sequence may hold one token more; drops old tokens where the request wants that.
bool Scheduler::fits_one_more(Run & run) {
    if (run.history.size() <= ledger.capacity()) return true;
    if (!run.request.context_shift) return false;
    shift(run);
    return true;
}

// Drops the older half of what comes after the tokens to keep. Where the memory cannot be moved in place - cells shared
// with another sequence, or a kind that has no positions to shift - the kept tokens are evaluated again.
void Scheduler::shift(Run & run) {
    if (run.evaluated == 0) return;  // nothing to drop
    const size_t first = run.history[0] == llama_vocab_bos(decoder.model().vocab()) ? 1 : 0;
    // One at least has to go of what is in memory, which is less than the context where low-level sequences take the rest.
    const size_t keep = std::min(std::max(size_t(run.request.keep_tokens), first), run.evaluated - 1);
    const size_t discard = std::max<size_t>(1, (run.evaluated - keep) / 2);
    const bool   in_place = llama_memory_can_shift(decoder.memory()) && decoder.model().can_truncate() &&
        sliding_window == 0 && ledger.shares_nothing(run.slot);
    if (in_place) {
        llama_memory_seq_rm(decoder.memory(), run.slot, llama_pos(keep), llama_pos(keep + discard));
        llama_memory_seq_add(decoder.memory(), run.slot, llama_pos(keep + discard), -1, -llama_pos(discard));
        ledger.erase(run.slot, keep, keep + discard);
        run.evaluated -= discard;
        run.pristine = std::min(run.pristine, keep);
        shifted = true;
    } else {
        run.evaluated = cut(run.slot, decoder.model().can_truncate() ? keep : 0);
    }
    run.history.erase(run.history.begin() + std::ptrdiff_t(keep), run.history.begin() + std::ptrdiff_t(keep + discard));
    run.lookup.reset();
    run.shifts++;
}

void Scheduler::take_tokens(Run & run, size_t count) {
    const bool last = count == run.pending();
    for (size_t i = 0; i < count; i++) {
        const size_t position = run.evaluated + i;
        const bool   output = last && i + 1 == count && run.request.max_tokens > 0;
        const int32_t index = decoder.add(run.history[position], llama_pos(position), run.slot, output);
        if (output) run.output = index;
    }
    ledger.append(run.slot, count);
    run.in_batch = count;
}

// Evaluates the batch; false where it has to be planned again.
bool Scheduler::decode() {
    int32_t decoding = 0;
    size_t  drafted = 0;
    decoder.clear_abort();
    {
        std::lock_guard<std::mutex> lock(shared_mutex);
        // To have the states of a batch's sequences side by side, llama.cpp moves others', and an abort loses those.
        const bool moves_others = !decoder.model().can_truncate() &&
            std::count_if(running.begin(), running.end(), [](const auto & run) { return run->in_batch > 0; }) > 1;
        for (const auto & run : running) {
            if (run->in_batch == 0) continue;
            if (run->pending() == 1) decoding++;
            drafted += run->draft.size();
            // Shifting positions is part of the decode, and llama.cpp would repeat it whole after an abort.
            if (decoder.batch_size() >= smallest_batch_to_interrupt && !shifted && !moves_others) in_flight.push_back(run->request.id);
        }
    }
    const auto       began = Clock::now();
    Decoder::Outcome outcome = Decoder::Outcome::Aborted;
    try {
        outcome = decoder.decode();
    } catch (const Error & error) {
        fail_batch(error);
    }
    {
        std::lock_guard<std::mutex> lock(shared_mutex);
        in_flight.clear();
    }
    shifted = false;
    switch (outcome) {
        case Decoder::Outcome::Done:
            if (drafted == 0) cost.record(ms_between(began, Clock::now()), decoding, decoder.batch_size() - decoding);
            account_for_step(ms_between(began, Clock::now()));
            counters.steps++;
            for (auto & run : running) {
                run->evaluated += run->in_batch - run->draft.size();
                counters.evaluated_tokens += run->in_batch;
                counters.step_requests += run->in_batch > 0;
                if (run->in_batch > 0) save_checkpoint(*run);
            }
            return true;
        case Decoder::Outcome::NoRoom:
            // The ledger counts every cell, but some kinds of memory (sliding window) have limits of their own.
            for (auto & run : running) ledger.truncate(run->slot, run->evaluated);
            if (!reclaim() && !running.empty()) finish(*running.back(), EndReason::Length);
            return false;
        case Decoder::Outcome::Aborted:
            account_for_abort();
            return false;
    }
    return false;
}

// After an abort the memory holds a prefix of the batch; what is missing is evaluated again in the next steps.
void Scheduler::account_for_abort() {
    for (auto & run : running) {
        if (run->in_batch == 0 || run->slot < 0) continue;
        size_t held = decoder.model().can_truncate() ? size_t(decoder.position_end(run->slot)) : 0;
        held = std::min(held, run->evaluated + run->in_batch);
        // The last token's logits are lost even where its cell is not.
        held = std::min(held, run->history.size() - 1);
        run->evaluated = cut(run->slot, held);
    }
}

void Scheduler::collect() {
    Guard guard;
    for (auto & run : running) {
        if (run->in_batch == 0 || run->ended) continue;
        event_of(*run).prompt_processed = int32_t(std::min(run->evaluated, run->prompt_size));
        if (run->pending() > 0) continue;
        if (run->request.max_tokens == 0) {
            finish(*run, EndReason::Length);
            continue;
        }
        try {
            if (run->draft.empty()) sample(*run, run->output);
            else sample_drafted(*run);
        } catch (const Error & error) {
            finish(*run, EndReason::Error, error);
        } catch (const std::exception & error) {
            finish(*run, EndReason::Error, Error("DECODE", std::string("Sampling failed: ") + error.what()));
        }
    }
}

// Samples from one output of the last decode; returns the token, which may have ended the request.
llama_token Scheduler::sample(Run & run, int32_t output) {
    const llama_token token = run.sampler->sample(decoder.context(), output);
    if (run.generated == 0 && run.first_token == Clock::time_point()) {
        run.first_token = Clock::now();
        outbox_urgent = true;
    }

    const auto & stop_tokens = run.request.stop_tokens;
    if (llama_vocab_is_eog(decoder.model().vocab(), token) ||
        std::find(stop_tokens.begin(), stop_tokens.end(), token) != stop_tokens.end()) {
        finish(run, EndReason::Stop, {}, token);
        return token;
    }
    run.history.push_back(token);
    run.generated++;
    counters.generated_tokens++;

    Event & event = event_of(run);
    event.tokens.push_back(token);
    event.text += run.text.push(decoder.model().piece(token, run.request.render_special));
    if (run.request.logprobs >= 0) report_logprobs(event, run, output, token);

    if (run.text.stopped()) finish(run, EndReason::Stop);
    else if (run.generated >= run.request.max_tokens) finish(run, EndReason::Length);
    return token;
}

void Scheduler::report_logprobs(Event & event, Run & run, int32_t output, llama_token token) {
    ReportedToken reported;
    for (const auto & item : token_logprobs(decoder.logits(output), decoder.model().vocabulary_size(), token, run.request.logprobs)) {
        reported.push_back({ item.token, item.logprob, decoder.model().piece(item.token, true) });
    }
    event.logprobs.push_back(std::move(reported));
}

// --- Endings --------------------------------------------------------------------------------------------------------

Event & Scheduler::event_of(Run & run) {
    for (auto & event : outbox) {
        if (event.id == run.request.id && !event.end) return event;
    }
    if (outbox.empty()) outbox_since = Clock::now();
    outbox.push_back({ run.request.id, {}, {}, {}, int32_t(std::min(run.evaluated, run.prompt_size)), {} });
    return outbox.back();
}

void Scheduler::finish(Run & run, EndReason reason, std::optional<Error> error, std::optional<llama_token> stop_token) {
    if (run.ended) return;
    report_end(run, reason, std::move(error), stop_token);
    release_slot(run);
}

// Ends a request for its caller, while a decode may still be at work on its sequence; `remove_ended` does the rest.
void Scheduler::report_end(Run & run, EndReason reason, std::optional<Error> error, std::optional<llama_token> stop_token) {
    const auto    now = Clock::now();
    const bool    began = run.admitted != Clock::time_point();
    const bool    answered = run.first_token != Clock::time_point();
    Event &       event = event_of(run);
    GenerationEnd end{};
    end.reason = reason;
    if (run.text.stop_string()) end.stop_string = *run.text.stop_string();
    end.stop_token = stop_token;
    end.prompt_tokens = int32_t(run.prompt_size);
    end.cached_tokens = run.cached;
    end.generated_tokens = run.generated;
    end.queue_ms = ms_between(run.request.submitted, began ? run.admitted : now);
    end.first_token_ms = answered ? ms_between(run.request.submitted, run.first_token) : 0;
    end.total_ms = ms_between(run.request.submitted, now);
    end.prompt_ms = began ? ms_between(run.admitted, answered ? run.first_token : now) : 0;
    end.generation_ms = answered ? ms_between(run.first_token, now) : 0;
    end.context_shifts = run.shifts;
    end.drafted_tokens = run.drafted;
    end.accepted_tokens = run.accepted;
    end.error = std::move(error);
    event.text += run.text.finish();
    // Behind all that may fail for want of memory: a request that counts as ended and never says so would be waited for for ever.
    run.ended = true;
    event.end = std::move(end);
    outbox_urgent = true;
    settle_drafts(run);
}

// Ends a request that is no run, or none any more.
void Scheduler::report_lost(int64_t id, const Error & error) {
    GenerationEnd end{};
    end.reason = EndReason::Error;
    end.error = error;
    if (outbox.empty()) outbox_since = Clock::now();
    outbox.push_back({ id, {}, {}, {}, 0, std::move(end) });
    outbox_urgent = true;
}

Error Scheduler::timed_out(const Run & run, Clock::time_point now) const {
    const bool   began = run.admitted != Clock::time_point();
    const size_t processed = std::min(run.evaluated, run.prompt_size);
    const auto   limit = std::to_string(std::llround(run.request.timeout_ms));
    const auto   done = !began ? "it had to wait all the time"
          : run.generated > 0  ? "it had generated " + std::to_string(run.generated) + " tokens"
                               : std::to_string(processed) + " of its " + std::to_string(run.prompt_size) + " prompt tokens were evaluated";
    return Error("TIMEOUT", "The request did not end within its timeout of " + limit + " ms; " + done,
        { { "timeoutMs", run.request.timeout_ms }, { "queueMs", ms_between(run.request.submitted, began ? run.admitted : now) },
            { "promptTokens", double(run.prompt_size) }, { "processedTokens", double(processed) },
            { "generatedTokens", double(run.generated) } });
}

// The sequence stays in the cache for whoever shares its beginning.
void Scheduler::release_slot(Run & run) {
    if (run.slot < 0) return;
    Slot & slot = slots[size_t(run.slot)];
    const size_t left = std::min(run.evaluated, run.pristine);
    if (ledger.length(run.slot) != left) cut(run.slot, std::min(ledger.length(run.slot), left));
    slot.run = nullptr;
    slot.last_used = ++tick;
    slot.tokens = std::move(run.history);
    slot.tokens.resize(std::min(slot.tokens.size(), ledger.length(run.slot)));
    slot.use = Slot::Use::Cached;
    if (slot.tokens.empty()) drop(run.slot);
    run.slot = -1;
    run.pristine = SIZE_MAX;
}

// llama.cpp says nothing of what is left in memory after a failure, so the sequences of the batch are given up.
void Scheduler::fail_batch(const Error & error) {
    for (auto & run : running) {
        if (run->in_batch == 0) continue;
        drop(run->slot);
        run->slot = -1;
        finish(*run, EndReason::Error, error);
    }
    remove_ended();
}

void Scheduler::remove_ended() {
    const auto ended = [](const auto & run) { return run->ended; };
    for (auto & run : running) {
        if (run->ended) release_slot(*run);
    }
    waiting.remove_if(ended);
    running.remove_if(ended);
}

void Scheduler::flush() {
    if (outbox.empty()) return;
    outbox_urgent = false;
    sink(std::exchange(outbox, {}));
}

} // namespace llama_native

#include "core/engine.h"

#include "core/runtime.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace llama_native {

namespace {

constexpr uint32_t most_sequences = 256;  // llama.cpp's LLAMA_MAX_SEQ
constexpr double   longest_timeout_ms = 2147483647;
// An idle engine waits for more requests until none came for the one, or the other is over.
constexpr auto     gathering_pause = std::chrono::microseconds(300);
constexpr auto     longest_gathering = std::chrono::milliseconds(3);

// Sequence ids beyond those that run: finished sequences kept as cache, and low-level sequences.
uint32_t slot_count(const Model & model, const ContextParams & params) {
    if (params.embeddings) return params.sequences;
    // Recurrent state costs memory per sequence id; attention cells do not.
    const uint32_t spare = model.can_truncate() ? std::max(params.sequences, 16u) : params.sequences;
    return std::min(most_sequences, params.sequences + spare);
}

} // namespace

std::shared_ptr<Engine> Engine::start(std::shared_ptr<Model> model, std::shared_ptr<Model> draft, const ContextParams & params,
    EventSink sink, Ready on_ready) {
    ContextParams checked = params;
    if (checked.sequences < 1 || checked.sequences >= most_sequences) {
        throw Error("INVALID_OPTION", "Expected 1 to 255 for sequences but received " + std::to_string(checked.sequences));
    }
    if (checked.batch_size < checked.sequences) {
        throw Error("INVALID_OPTION", "Expected a batchSize of at least sequences (" + std::to_string(checked.sequences) + ") but received " +
            std::to_string(checked.batch_size));
    }
    const bool has_encoder = llama_model_has_encoder(model->get()), has_decoder = llama_model_has_decoder(model->get());
    if (!checked.embeddings && (has_encoder || !has_decoder)) {
        throw Error("INVALID_OPTION", "This model has an encoder; such models can embed at most, not generate");
    }
    if (checked.embeddings && has_encoder && has_decoder) {
        throw Error("INVALID_OPTION", "Encoder-decoder models are not supported");
    }
    if (checked.context_size == 0) checked.context_size = uint32_t(llama_model_n_ctx_train(model->get()));
    if (checked.embeddings) {
        // Pooling needs an input's tokens in one micro-batch.
        checked.batch_size = checked.context_size;
        checked.micro_batch_size = checked.context_size;
    }
    std::shared_ptr<Engine> engine(new Engine(std::move(model), std::move(draft), checked, std::move(sink)));
    engine->thread = std::thread([raw = engine.get(), on_ready = std::move(on_ready)] { raw->run(on_ready); });
    return engine;
}

Engine::Engine(std::shared_ptr<Model> model, std::shared_ptr<Model> draft, const ContextParams & params, EventSink sink) :
    params(params), slots(slot_count(*model, params)), drafts(draft != nullptr), sink(std::move(sink)), draft_weights(std::move(draft)),
    model_(std::move(model)) {}

Engine::~Engine() { stop(); }

// --- From other threads ---------------------------------------------------------------------------------------------

void Engine::check(const Model & model, const Request & request) const {
    const auto invalid = [](const std::string & message) { throw Error("INVALID_OPTION", message); };
    if (params.embeddings) invalid("An embedding context cannot generate");
    if (!model.has_tokenizer()) throw Error("MODEL_FORMAT", "This model has no vocabulary to generate with");
    if (request.tokens.empty()) invalid("Expected at least one token for the prompt but received none");
    for (const llama_token token : request.tokens) model.check_token(token, "the prompt");
    for (const llama_token token : request.stop_tokens) model.check_token(token, "stopTokens");
    for (const auto & text : request.stop) {
        if (text.empty()) invalid("Expected non-empty texts for stop but received \"\"");
    }
    if (request.draft > 0 && !drafts) invalid("Expected a context made with a draftModel for draft");
    if (request.max_tokens < 0) invalid("Expected 0 or more for maxTokens but received " + std::to_string(request.max_tokens));
    if (!(request.timeout_ms >= 0 && request.timeout_ms <= longest_timeout_ms)) invalid("Expected 0 to 2147483647 for timeoutMs");
    if (!(request.elapsed_ms >= 0)) invalid("Expected 0 or more for elapsedMs");
    if (request.tokens.size() > info_.context_size) {
        throw Error("CONTEXT_OVERFLOW", "The prompt has " + std::to_string(request.tokens.size()) + " tokens, but the context holds " +
                std::to_string(info_.context_size),
            { { "promptTokens", double(request.tokens.size()) }, { "contextSize", double(info_.context_size) } });
    }
}

void Engine::submit(Request && request) {
    check(*model(), request);
    const auto elapsed = std::chrono::duration<double, std::milli>(std::min(request.elapsed_ms, longest_timeout_ms));
    request.submitted = Clock::now() - std::chrono::duration_cast<Clock::duration>(elapsed);
    request.deadline = deadline_of(request.submitted, request.timeout_ms);
    std::lock_guard<std::mutex> lock(mutex);
    if (stopping) throw Error("DISPOSED", "The context has been disposed");
    if (unfinished >= params.sequences + params.queue_size) {
        throw Error("QUEUE_FULL", "The context runs " + std::to_string(params.sequences) + " requests and " + std::to_string(params.queue_size) +
                " more are waiting", { { "sequences", double(params.sequences) }, { "queueSize", double(params.queue_size) } });
    }
    unfinished++;
    const auto deadline = request.deadline;
    new_requests.push_back(std::move(request));
    if (scheduler_) scheduler_->alarm.add(deadline);
    wake.notify_one();
}

void Engine::cancel(int64_t id) {
    std::lock_guard<std::mutex> lock(mutex);
    if (stopping) return;
    cancels.push_back(id);
    // The scheduler exists while the engine has not stopped: it is made before `on_ready` and freed after `stopping`.
    if (scheduler_) scheduler_->interrupt(id);
    wake.notify_one();
}

std::shared_ptr<Model> Engine::model() const {
    std::lock_guard<std::mutex> lock(mutex);
    if (!model_) throw Error("DISPOSED", "The context has been disposed");
    return model_;
}

void Engine::post(Job && job) {
    std::lock_guard<std::mutex> lock(mutex);
    if (stopping) throw Error("DISPOSED", "The context has been disposed");
    new_jobs.push_back(std::move(job));
    wake.notify_one();
}

bool Engine::begin_stop(std::function<void()> callback) {
    std::lock_guard<std::mutex> lock(mutex);
    if (stopping) return false;
    stopping = true;
    on_stopped = std::move(callback);
    if (decoder) decoder->shut_down();
    if (draft_model) draft_model->shut_down();
    wake.notify_one();
    return true;
}

void Engine::stop() {
    begin_stop({});
    std::lock_guard<std::mutex> lock(join_mutex);
    if (thread.joinable()) thread.join();
}

SchedulerStats Engine::stats() const {
    std::lock_guard<std::mutex> lock(mutex);
    return scheduler_ ? scheduler_->stats() : SchedulerStats();
}

// --- On the engine's thread -----------------------------------------------------------------------------------------

void Engine::run(const Ready & on_ready) {
    if (open(on_ready)) loop();
    std::function<void()> callback;
    {
        std::lock_guard<std::mutex> lock(mutex);
        stopping = true;
        embedder_.reset();
        scheduler_.reset();
    }
    std::unique_ptr<Decoder>    last;
    std::unique_ptr<DraftModel> last_draft;
    std::shared_ptr<Model>      weights;
    {
        std::lock_guard<std::mutex> lock(mutex);
        last = std::move(decoder);
        last_draft = std::move(draft_model);
        weights = std::move(model_);
        callback = std::move(on_stopped);
    }
    // Freeing may take a while, so without the lock.
    last.reset();
    last_draft.reset();
    draft_weights.reset();
    weights.reset();
    if (callback) callback();
}

bool Engine::open(const Ready & on_ready) {
    try {
        auto made = std::make_unique<Decoder>(model(), params, slots);
        std::unique_ptr<DraftModel> made_draft;
        if (draft_weights) made_draft = std::make_unique<DraftModel>(std::move(draft_weights), made->model(), params);
        auto scheduler = std::make_unique<Scheduler>(*made, made_draft.get(), params, slots, [this](std::vector<Event> && events) {
            const auto ended = std::count_if(events.begin(), events.end(), [](const Event & event) { return event.end.has_value(); });
            if (ended) {
                std::lock_guard<std::mutex> lock(mutex);
                unfinished -= uint32_t(ended);
            }
            sink(std::move(events));
        });
        info_ = { uint32_t(scheduler->capacity()), params.sequences, uint32_t(made->batch_capacity()),
            llama_n_ubatch(made->context()), made->threads(), made->batch_threads(),
            made->memory() && llama_memory_can_shift(made->memory()) };
        std::lock_guard<std::mutex> lock(mutex);
        embedder_ = std::make_unique<Embedder>(*made, slots);
        decoder = std::move(made);
        draft_model = std::move(made_draft);
        scheduler_ = std::move(scheduler);
        decoder->set_watch([this] {
            try {
                expire();
            } catch (const std::exception &) {
                // Called from among ggml's threads, which none may leave: the next call tries again.
                scheduler_->alarm.add(Clock::now());
            }
        });
        if (stopping) decoder->shut_down();
        if (stopping && draft_model) draft_model->shut_down();
    } catch (const Error & error) {
        on_ready(&error);
        return false;
    } catch (const std::exception & error) {
        const Error wrapped("DECODE", std::string("The context cannot be made: ") + error.what());
        on_ready(&wrapped);
        return false;
    }
    on_ready(nullptr);
    return true;
}

void Engine::loop() {
    std::deque<Job>      jobs;
    std::deque<Request>  requests;
    std::vector<int64_t> cancelled;
    bool                 ends = false;
    while (!ends) {
        try {
            ends = !turn(jobs, requests, cancelled);
        } catch (const std::exception & error) {
            recover(Error("DECODE", std::string("The engine failed: ") + error.what()));
        }
    }
    for (auto & request : requests) scheduler_->add(std::move(request));
    scheduler_->cancel_all();
    abandon_jobs(jobs);
}

// Takes what has come, and makes a step; false where it was told to stop. What is in the arguments was taken and not seen to.
bool Engine::turn(std::deque<Job> & jobs, std::deque<Request> & requests, std::vector<int64_t> & cancelled) {
    {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [&] {
            return stopping || !jobs.empty() || !requests.empty() || !cancelled.empty() || !scheduler_->idle() || !new_requests.empty() ||
                !new_jobs.empty() || !cancels.empty();
        });
        if (scheduler_->idle() && info_.sequences > 1) gather(lock);
        std::move(new_jobs.begin(), new_jobs.end(), std::back_inserter(jobs));
        new_jobs.clear();
        std::move(new_requests.begin(), new_requests.end(), std::back_inserter(requests));
        new_requests.clear();
        cancelled.insert(cancelled.end(), cancels.begin(), cancels.end());
        cancels.clear();
        if (stopping) return false;
    }
    while (!requests.empty()) {
        Request request = std::move(requests.front());
        requests.pop_front();
        scheduler_->add(std::move(request));
    }
    for (; !cancelled.empty(); cancelled.pop_back()) scheduler_->cancel(cancelled.back());
    if (!jobs.empty()) {
        scheduler_->flush();
        run_job(jobs);
    }
    expire();
    scheduler_->step();
    return true;
}

// Fails the requests, as nobody knows what the failure left of them.
void Engine::recover(const Error & error) {
    try {
        scheduler_->fail_all(error);
    } catch (const std::exception &) {
        // There is no memory to say so with: those that are left fail with the next step, or go on.
    }
}

// Requests that are made together arrive one after the other; an engine that began with the first would have all the others
// trickle in beside it, and steps that are not full from the first to the last.
void Engine::gather(std::unique_lock<std::mutex> & lock) {
    const auto end = Clock::now() + longest_gathering;
    for (size_t known = 0; known < new_requests.size() && Clock::now() < end;) {
        known = new_requests.size();
        if (wake.wait_for(lock, gathering_pause, [&] { return stopping; })) return;
    }
}

// Ends the requests whose deadline has passed, those of the inbox too: before each step, and all through every decode.
void Engine::expire() {
    if (!scheduler_->alarm.is_set()) return;
    const auto now = Clock::now();
    if (!scheduler_->alarm.due(now)) return;
    scheduler_->alarm.reset();
    std::vector<Request> late;
    {
        std::lock_guard<std::mutex> lock(mutex);
        const auto in_time = [&](const Request & request) { return request.deadline > now; };
        const auto first_late = std::stable_partition(new_requests.begin(), new_requests.end(), in_time);
        for (auto it = new_requests.begin(); it != first_late; ++it) scheduler_->alarm.add(it->deadline);
        late.assign(std::make_move_iterator(first_late), std::make_move_iterator(new_requests.end()));
        new_requests.erase(first_late, new_requests.end());
    }
    for (auto & request : late) scheduler_->add(std::move(request));
    scheduler_->expire(now);
    scheduler_->flush();
}

void Engine::run_job(std::deque<Job> & jobs) {
    Guard guard;
    bool  done = true;
    try {
        done = jobs.front().run(*this);
    } catch (const Error & error) {
        jobs.front().failed(error);
    } catch (const std::exception & error) {
        jobs.front().failed(Error("DECODE", error.what(), {}, guard.log()));
    }
    if (done) jobs.pop_front();
}

void Engine::abandon_jobs(std::deque<Job> & jobs) {
    const Error disposed("DISPOSED", "The context has been disposed");
    for (auto & job : jobs) job.failed(disposed);
    jobs.clear();
}

} // namespace llama_native

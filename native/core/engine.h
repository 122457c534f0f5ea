#pragma once

#include "core/decoder.h"
#include "core/embedder.h"
#include "core/request.h"
#include "core/scheduler.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace llama_native {

// What a context looks like once it exists.
struct ContextInfo {
    uint32_t context_size;
    uint32_t sequences;
    uint32_t batch_size;
    uint32_t micro_batch_size;
    int32_t  threads;
    int32_t  batch_threads;
    bool     can_shift;
};

// One context and the one thread that may touch it. Everything asked of the context is handed to that thread in order,
// so nothing races its end.
//
// Lifetime: `start` returns at once; `on_ready` tells whether the context could be made. `stop` may be called any number
// of times from any thread but the engine's own; after it returned, no callback runs any more.
class Engine {
public:
    // A piece of work for the engine's thread. `run` is called until it returns true, one decode at a time, in turns
    // with the running requests; an exception ends it. `failed` gets that, or DISPOSED where the engine stopped first.
    struct Job {
        std::function<bool(Engine &)>       run;
        std::function<void(const Error &)> failed;
    };
    using Ready = std::function<void(const Error *)>;

    // `draft` is a model to draft with, or null.
    static std::shared_ptr<Engine> start(std::shared_ptr<Model> model, std::shared_ptr<Model> draft, const ContextParams & params,
        EventSink sink, Ready on_ready);
    ~Engine();

    // Throws INVALID_OPTION, CONTEXT_OVERFLOW, QUEUE_FULL or DISPOSED; whatever happens later is an event.
    void submit(Request && request);
    void cancel(int64_t id);
    void post(Job && job);

    // Ends all requests (their end events come first) and frees the context; `on_stopped` is called on the engine's
    // thread as its last act. Only the first call has an effect; false where another came first.
    bool begin_stop(std::function<void()> on_stopped);
    void stop();

    const ContextInfo & info() const { return info_; }
    // Throws DISPOSED once the engine has stopped: it gives up its share of the weights then, whoever keeps it.
    std::shared_ptr<Model> model() const;
    SchedulerStats      stats() const;
    uint32_t            queue_size() const { return params.queue_size; }
    bool                for_embeddings() const { return params.embeddings; }

    // For jobs only.
    Scheduler & scheduler() { return *scheduler_; }
    Embedder &  embedder() { return *embedder_; }

private:
    Engine(std::shared_ptr<Model> model, std::shared_ptr<Model> draft, const ContextParams & params, EventSink sink);

    void run(const Ready & on_ready);
    bool open(const Ready & on_ready);
    void loop();
    bool turn(std::deque<Job> & jobs, std::deque<Request> & requests, std::vector<int64_t> & cancelled);
    void recover(const Error & error);
    void gather(std::unique_lock<std::mutex> & lock);
    void expire();
    void run_job(std::deque<Job> & jobs);
    void abandon_jobs(std::deque<Job> & jobs);
    void check(const Model & model, const Request & request) const;

    ContextParams          params;
    uint32_t               slots;
    const bool             drafts;
    EventSink              sink;
    ContextInfo            info_{};

    // The engine's thread's own; made and freed there.
    std::shared_ptr<Model>      draft_weights;  // until `draft_model` is made of them
    std::unique_ptr<Decoder>    decoder;
    std::unique_ptr<DraftModel> draft_model;
    std::unique_ptr<Scheduler>  scheduler_;
    std::unique_ptr<Embedder>   embedder_;

    mutable std::mutex      mutex;  // guards what follows
    std::shared_ptr<Model>  model_;
    std::condition_variable wake;
    std::vector<Request>    new_requests;
    std::vector<int64_t>    cancels;
    std::deque<Job>         new_jobs;
    bool                    stopping = false;
    std::function<void()>   on_stopped;
    uint32_t                unfinished = 0;  // requests submitted and not ended

    std::mutex  join_mutex;
    std::thread thread;
};

} // namespace llama_native

#pragma once

#include "core/cell_ledger.h"
#include "core/checkpoints.h"
#include "core/decoder.h"
#include "core/draft_model.h"
#include "core/draft_policy.h"
#include "core/prompt_lookup.h"
#include "core/request.h"
#include "core/schedule.h"
#include "core/sequence_store.h"
#include "core/text_stream.h"

#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace llama_native {

// Continuous batching over one Decoder: every step evaluates one batch with the next token of every running request and
// as many prompt tokens as keep the step short, then samples, and hands out one packet of events.
//
// A request's tokens (prompt and generated) are its history; the first `evaluated` of them are in the KV cache. A step
// evaluates some of the rest, and samples once none is left. So a token that is lost from the cache - by an abort, by
// preemption, by dropping old tokens - is simply evaluated again.
//
// Everything belongs to the engine's thread, but for `interrupt` and `stats`.
class Scheduler {
public:
    // `draft_model` may be null.
    Scheduler(Decoder & decoder, DraftModel * draft_model, const ContextParams & params, uint32_t slots, EventSink sink);

    void add(Request && request);
    void cancel(int64_t id);
    void cancel_all();
    // Ends every request with an error, after a failure that says nothing of what is left in memory.
    void fail_all(const Error & error);
    bool idle() const { return waiting.empty() && running.empty(); }
    void step();
    // Hands out the events that were held back for the next step's.
    void flush();
    // Ends every request whose deadline has passed, also in the middle of a decode (from the decoder's watch): those who
    // wait at once, those of the decode together with it where it is worth stopping. `alarm` has to be reset before.
    void expire(Clock::time_point now);

    // The earliest deadline of all requests.
    Alarm alarm;

    // From any thread: stops the decode in progress if it works on request `id` and is worth stopping.
    void interrupt(int64_t id);

    SchedulerStats stats() const;
    size_t         capacity() const { return ledger.capacity(); }

    // Low-level sequences. Each holds a slot until freed. All throw INVALID_OPTION for an unknown sequence.
    int32_t open_sequence();
    void    close_sequence(int32_t sequence);
    int32_t fork_sequence(int32_t sequence);
    void    truncate_sequence(int32_t sequence, size_t length);
    size_t  sequence_length(int32_t sequence);
    // Drops what is behind `length`; returns what is left, which is nothing where the memory cannot be cut.
    size_t  take_back(int32_t sequence, size_t length);
    // Evaluates up to a batch of `tokens` from `offset` on and appends their logits to `out` as `which` wants (rows of
    // the vocabulary's size); returns how many tokens it took. Throws CONTEXT_OVERFLOW where they do not fit.
    enum class Logits { None, Last, All };
    size_t  evaluate(int32_t sequence, const std::vector<llama_token> & tokens, size_t offset, Logits which, std::vector<float> & out);
    std::vector<uint8_t>     save_sequence(int32_t sequence);
    std::vector<llama_token> restore_sequence(int32_t sequence, const std::vector<uint8_t> & state);

private:
    enum DraftSource { Lookup, Guess };  // the text itself, the draft model

    // What is known of a request's drafts.
    struct RunDrafts {
        DraftLength length[2];
        DraftSource source = Lookup;  // of the draft in this step's batch
        int32_t     first = -1;       // its index there: other requests' tokens may stand before it
        bool        read = false;     // by the draft model
        double      debt = 0;         // steps that reading took, and gains have not made up for
    };

    // What is known of a context's drafts.
    struct Drafting {
        PlainCost   plain;
        DraftCost   cost[2];
        DraftBudget budget[2];
        // Of the step in progress.
        int32_t requests = 0;    // that generate
        double  step_ms = 0;     // what it takes without drafts; 0: not to draft in it
        double  guess_ms = 0;    // what the draft model took
        size_t  drafted[2] = {};
    };

    // A request from its arrival to its end.
    struct Run {
        Request                  request;
        std::vector<llama_token> history;
        size_t                   prompt_size;
        size_t                   evaluated = 0;
        // Of these, those whose cells know of nothing that a shift has dropped: no other request may begin with more.
        size_t                   pristine = SIZE_MAX;
        int32_t                  slot = -1;  // -1: waiting
        int32_t                  output = -1;  // index of its logits in the batch of this step
        size_t                   in_batch = 0;
        std::unique_ptr<Sampler> sampler;
        TextStream               text;
        Urgency                  urgency;
        int32_t                  cached = 0;
        int32_t                  generated = 0;
        int32_t                  shifts = 0;
        PromptLookup             lookup;
        RunDrafts                drafts;
        std::vector<llama_token> draft;  // behind the history in the batch of this step
        int32_t                  drafted = 0;
        int32_t                  accepted = 0;
        bool                     admitted_before = false;
        bool                     ended = false;
        Clock::time_point        admitted;
        Clock::time_point        first_token;

        explicit Run(Request && request);
        size_t pending() const { return history.size() - evaluated; }
    };

    // A sequence id of the llama context and what it holds.
    struct Slot {
        enum class Use { Free, Cached, Running, LowLevel } use = Use::Free;
        std::vector<llama_token> tokens;  // what is in memory; a running slot's are its run's history
        const Run *              run = nullptr;
        uint64_t                 last_used = 0;
        Checkpoints              checkpoints;  // only where the memory cannot be cut
    };
    struct Content {
        const llama_token * tokens;
        size_t              size;
    };

    // A prefix that a request could take over from a sequence. Where the memory cannot be cut, it ends where the sequence
    // ends or at a checkpoint.
    struct PrefixMatch {
        int32_t                     slot = -1;
        size_t                      length = 0;
        std::shared_ptr<Checkpoint> checkpoint;
    };

    enum class Admission { Admitted, Later, NoRoom };

    // Admission
    void        add_run(std::unique_ptr<Run> run);
    void        admit();
    Admission   try_admit(Run & run);
    PrefixMatch best_prefix(const Run & run) const;
    bool        worth_waiting_for_prefix(const Run & run, size_t found) const;
    int32_t     place(PrefixMatch & match);
    PrefixMatch usable_prefix(int32_t slot, size_t common) const;
    bool        window_is_whole(int32_t slot, size_t length) const;
    void        fetch_stored(const Run & run);
    bool        rewind(int32_t slot, const Checkpoint & checkpoint);
    void        save_checkpoint(const Run & run);
    Content     content(int32_t slot) const;

    // Room
    int32_t take_free_slot(int32_t keep);
    bool    evict_one(int32_t keep);
    void    store(int32_t slot);
    bool    load_state(int32_t slot, const uint8_t * state, size_t size);
    bool    make_room(size_t cells, int32_t keep);
    size_t  cells_of(const Run & run) const;
    size_t  promised() const;
    bool    may_fit(const Run & run, const PrefixMatch & match) const;
    size_t  room_without_cached(CellLedger::Part kept) const;
    bool    goes_on(size_t length, size_t common) const;
    size_t  cut(int32_t slot, size_t length);
    void    drop(int32_t slot);
    bool    preempt_youngest();
    bool    reclaim();
    void    forget_cached();

    // A step
    bool plan();
    bool plan_generation(int32_t & decoding);
    void plan_prompts(int32_t budget);
    bool fits_one_more(Run & run);
    Error no_room_left() const;
    void shift(Run & run);
    void take_tokens(Run & run, size_t count);
    // Drafts
    void   plan_drafts(int32_t requests);
    size_t draft_room(const Run & run) const;
    size_t draft_length(Run & run, DraftSource source, int32_t allowed);
    bool   may_guess(Run & run, const DraftModel::Text & text);
    void   guess(std::vector<Run *> & runs, std::vector<DraftModel::Task> & tasks);
    void   take_draft(Run & run, DraftSource source, const std::vector<llama_token> & draft);
    void   account_for_step(double ms);
    void   sample_drafted(Run & run);
    void   settle_drafts(Run & run);
    bool decode();
    void account_for_abort();
    void collect();
    llama_token sample(Run & run, int32_t output);
    void report_logprobs(Event & event, Run & run, int32_t output, llama_token token);

    // Endings
    void finish(Run & run, EndReason reason, std::optional<Error> error = {}, std::optional<llama_token> stop_token = {});
    void report_end(Run & run, EndReason reason, std::optional<Error> error = {}, std::optional<llama_token> stop_token = {});
    void report_lost(int64_t id, const Error & error);
    Error timed_out(const Run & run, Clock::time_point now) const;
    void release_slot(Run & run);
    void fail_batch(const Error & error);
    void remove_ended();
    bool may_wait_for_next_step() const;
    void update_stats();
    Event & event_of(Run & run);
    Slot &  low_level(int32_t sequence);

    Decoder &                        decoder;
    DraftModel *                     draft_model;
    EventSink                        sink;
    double                           packet_interval_ms;
    uint32_t                         max_running;
    CellLedger                       ledger;
    std::vector<Slot>                slots;
    std::list<std::unique_ptr<Run>>  waiting;  // in order of urgency
    std::list<std::unique_ptr<Run>>  running;  // in order of admission
    std::vector<Event>               outbox;
    bool                             outbox_urgent = false;
    Clock::time_point                outbox_since;
    double                           last_step_ms = 0;
    StepCost                         cost;
    Drafting                         drafting;
    CheckpointBudget                 checkpoint_budget;
    SequenceStore                    sequence_store;
    uint64_t                         tick = 0;
    uint64_t                         arrivals = 0;
    int32_t                          sliding_window;
    bool                             shifted = false;  // positions were shifted since the last decode

    mutable std::mutex   shared_mutex;  // guards the two below
    std::vector<int64_t> in_flight;     // requests of the decode in progress, if it is long enough to be stopped
    SchedulerStats       published;
    SchedulerStats       counters;
};

} // namespace llama_native

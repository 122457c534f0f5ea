// The scheduler's drafts: tokens that may come next, put behind a request's own to be checked by sampling. Those that come
// true cost a fraction of a step of their own; samples decide, so that drafts never change what is generated.

#include "core/scheduler.h"

#include <algorithm>
#include <utility>

namespace llama_native {

namespace {

constexpr int32_t default_guesses = 16;
// Tokens of a text that the draft model reads in one step: few where others wait for the step.
constexpr size_t read_alone = 128;
constexpr size_t read_in_company = 32;
// Of the draft model, until it is measured: milliseconds to read a token, in steps.
constexpr double assumed_read_cost = 0.1;

} // namespace

void Scheduler::plan_drafts(int32_t requests) {
    drafting.requests = requests;
    drafting.step_ms = drafting.plain.ms(requests);
    drafting.guess_ms = 0;
    drafting.drafted[Lookup] = drafting.drafted[Guess] = 0;
    if (drafting.step_ms <= 0 || !decoder.model().can_truncate() || sliding_window > 0) return;

    std::vector<Run *>            guessing;
    std::vector<DraftModel::Task> tasks;
    for (auto & run : running) {
        if (run->in_batch == 0 || run->ended || run->output < 0) continue;
        if (const size_t length = draft_length(*run, Lookup, run->request.prompt_lookup)) {
            take_draft(*run, Lookup, run->lookup.draft(run->history, length));
            if (!run->draft.empty()) continue;
        }
        if (!draft_model) continue;
        const DraftModel::Text text{ run->urgency.arrival + 1, run->shifts, &run->history };
        const size_t length = draft_length(*run, Guess, run->request.draft < 0 ? default_guesses : run->request.draft);
        if (length == 0 || !may_guess(*run, text)) continue;
        guessing.push_back(run.get());
        tasks.push_back({ text, length });
    }
    if (!tasks.empty()) guess(guessing, tasks);
}

// Tokens that a draft may have by what the request, the batch and the memory leave.
size_t Scheduler::draft_room(const Run & run) const {
    // Every other request may still want an output in this step.
    const auto others = int32_t(running.size());
    return std::min({ size_t(run.request.max_tokens - run.generated - 1), ledger.free(),
        size_t(decoder.batch_capacity() - decoder.batch_size()),
        size_t(std::max(0, decoder.max_outputs() - decoder.output_count() - others)),
        ledger.capacity() - std::min(ledger.capacity(), run.history.size()) });
}

size_t Scheduler::draft_length(Run & run, DraftSource source, int32_t allowed) {
    if (allowed <= 0 || drafting.budget[source].left() <= 0) return 0;
    return run.drafts.length[source].next(std::min(size_t(allowed), draft_room(run)), drafting.requests, drafting.cost[source]);
}

// Whether it is worth what the draft model has to read before it can guess: at first that is an investment, which the rest
// of the answer has to repay; later it is part of what a trial costs.
bool Scheduler::may_guess(Run & run, const DraftModel::Text & text) {
    const size_t unread = draft_model->unread(text);
    if (unread == 0) return true;
    const double ms = draft_model->read_ms();
    const double steps = double(unread) * drafting.requests * (ms > 0 ? ms / drafting.step_ms : assumed_read_cost);
    if (run.drafts.read) return steps + run.drafts.debt <= drafting.budget[Guess].left();
    const size_t room = ledger.capacity() - std::min(ledger.capacity(), run.history.size());
    const size_t rest = std::min(size_t(run.request.max_tokens - run.generated), room);
    return steps * 2 <= double(rest);
}

void Scheduler::guess(std::vector<Run *> & runs, std::vector<DraftModel::Task> & tasks) {
    draft_model->draft(tasks, running.size() > 1 ? read_in_company : read_alone);
    const double each = drafting.requests / drafting.step_ms / double(tasks.size());
    drafting.guess_ms = draft_model->last_draft_ms();
    bool any = false;
    for (size_t i = 0; i < tasks.size(); i++) {
        Run & run = *runs[i];
        run.drafts.debt += draft_model->last_read_ms() * each;
        run.drafts.read |= tasks[i].read;
        tasks[i].draft.resize(std::min(tasks[i].draft.size(), draft_room(run)));
        take_draft(run, Guess, tasks[i].draft);
        any |= !run.draft.empty();
        // It was too unsure to guess: as good as wrong.
        if (tasks[i].read && run.draft.empty()) run.drafts.length[Guess].record(1, 0);
    }
    if (!any) drafting.budget[Guess].add(-drafting.guess_ms * drafting.requests / drafting.step_ms);
}

void Scheduler::take_draft(Run & run, DraftSource source, const std::vector<llama_token> & draft) {
    run.draft = draft;
    run.drafts.source = source;
    run.drafts.first = decoder.batch_size();
    for (size_t i = 0; i < draft.size(); i++) {
        decoder.add(draft[i], llama_pos(run.history.size() + i), run.slot, true);
    }
    ledger.append(run.slot, draft.size());
    run.in_batch += draft.size();
    run.drafted += int32_t(draft.size());
    drafting.drafted[source] += draft.size();
}

// Learns from what the step that was just evaluated took.
void Scheduler::account_for_step(double ms) {
    const size_t drafted = drafting.drafted[Lookup] + drafting.drafted[Guess];
    for (auto & budget : drafting.budget) budget.earn(drafting.requests);
    for (auto & cost : drafting.cost) cost.count_step();
    if (drafted > 0) drafting.plain.count_drafted(drafting.requests);
    if (size_t(decoder.batch_size()) > size_t(drafting.requests) + drafted) return;  // prompts took their time too
    if (drafted == 0) {
        drafting.plain.record(ms, drafting.requests);
        return;
    }
    for (const DraftSource source : { Lookup, Guess }) {
        if (drafting.drafted[source] != drafted) continue;
        const double total = source == Guess ? ms + drafting.guess_ms : ms;
        drafting.cost[source].record((total - drafting.step_ms) / drafting.step_ms, drafting.requests, drafted);
    }
}

// Samples behind each token of the draft for as long as the samples are what was drafted.
void Scheduler::sample_drafted(Run & run) {
    // A finished run's history moves into its slot.
    const auto        draft = std::move(run.draft);
    const DraftSource source = run.drafts.source;
    const size_t      before = run.evaluated;
    run.draft.clear();
    for (size_t i = 0;; i++) {
        const llama_token token = sample(run, i == 0 ? run.output : run.drafts.first + int32_t(i) - 1);
        if (run.ended || i == draft.size() || token != draft[i]) break;
        run.evaluated++;
        run.accepted++;
    }
    const size_t accepted = run.evaluated - before;
    run.drafts.length[source].record(draft.size(), accepted);
    const double price = drafting.cost[source].per_token(drafting.requests, draft.size()) * double(draft.size()) * drafting.requests;
    double       gain = double(accepted) - price;
    if (gain > 0 && source == Guess) {
        const double repaid = std::min(gain, run.drafts.debt);
        run.drafts.debt -= repaid;
        gain -= repaid;
    }
    drafting.budget[source].add(gain);
    if (!run.ended) cut(run.slot, run.evaluated);
}

// What was read for the request and never paid for is a loss.
void Scheduler::settle_drafts(Run & run) {
    drafting.budget[Guess].add(-std::exchange(run.drafts.debt, 0));
}

} // namespace llama_native

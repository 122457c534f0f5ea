#include "core/draft_model.h"

#include "core/error.h"
#include "core/schedule.h"
#include "core/top_k.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace llama_native {

namespace {

// A guess less probable than this ends a draft.
constexpr float surest_needed = 0.5f;
// As many new tokens are no work of their own: they go into the batch of the first guess.
constexpr size_t few = 8;
constexpr uint32_t batch_size = 512;

double ms_since(Clock::time_point began) { return std::chrono::duration<double, std::milli>(Clock::now() - began).count(); }

[[noreturn]] void differs(const std::string & what, const std::string & target, const std::string & draft) {
    throw Error("INVALID_OPTION", "Expected a draftModel with the model's own vocabulary, but its " + what + " is " + draft + " where the model has " + target);
}

const char * type_name(enum llama_vocab_type type) {
    switch (type) {
        case LLAMA_VOCAB_TYPE_NONE: return "none";
        case LLAMA_VOCAB_TYPE_SPM: return "spm";
        case LLAMA_VOCAB_TYPE_BPE: return "bpe";
        case LLAMA_VOCAB_TYPE_WPM: return "wpm";
        case LLAMA_VOCAB_TYPE_UGM: return "ugm";
        case LLAMA_VOCAB_TYPE_RWKV: return "rwkv";
        default: return "another";
    }
}

void check_vocabulary(const Model & target, const Model & draft) {
    const auto * a = target.vocab();
    const auto * b = draft.vocab();
    if (llama_vocab_type(a) != llama_vocab_type(b)) differs("type", type_name(llama_vocab_type(a)), type_name(llama_vocab_type(b)));
    const int32_t size = target.vocabulary_size();
    if (size != draft.vocabulary_size()) differs("size", std::to_string(size), std::to_string(draft.vocabulary_size()));
    const struct {
        const char * name;
        llama_token (*get)(const llama_vocab *);
    } specials[] = { { "BOS token", llama_vocab_bos }, { "EOS token", llama_vocab_eos } };
    for (const auto & special : specials) {
        if (special.get(a) != special.get(b)) differs(special.name, std::to_string(special.get(a)), std::to_string(special.get(b)));
    }
    for (llama_token token = 0; token < size; token++) {
        const std::string expected = llama_vocab_get_text(a, token), text = llama_vocab_get_text(b, token);
        if (text != expected) differs("token " + std::to_string(token), '"' + expected + '"', '"' + text + '"');
    }
}

std::shared_ptr<Model> checked(std::shared_ptr<Model> model, const Model & target) {
    if (model->vocabulary_only()) throw Error("INVALID_OPTION", "Expected a draftModel with weights, but it was loaded with vocabularyOnly");
    if (llama_model_has_encoder(model->get()) || !llama_model_has_decoder(model->get())) {
        throw Error("INVALID_OPTION", "Expected a draftModel that generates text, but this one has an encoder");
    }
    if (!model->can_truncate()) {
        throw Error("INVALID_OPTION", "Expected a draftModel whose memory can be cut back, but this one is recurrent or hybrid");
    }
    check_vocabulary(target, *model);
    return model;
}

ContextParams draft_params(const ContextParams & target) {
    ContextParams params = target;
    params.context_size += most_requests_to_draft_for * most_tokens_to_draft;
    params.sequences = most_requests_to_draft_for;
    params.batch_size = batch_size;
    params.rope_frequency_base = params.rope_frequency_scale = 0;
    return params;
}

// The most probable token, or LLAMA_TOKEN_NULL where none is sure enough.
llama_token sure_guess(const float * logits, int32_t size, std::vector<llama_token_data> & best) {
    top_k(logits, size, 1, best);
    if (best.empty()) return LLAMA_TOKEN_NULL;
    constexpr float nothing = 16;  // e^-16 of the best one's probability
    float           sum = 0;
    for (int32_t i = 0; i < size; i++) {
        const float behind = best[0].logit - logits[i];
        if (behind < nothing) sum += std::exp(-behind);
    }
    return sum * surest_needed <= 1 ? best[0].id : LLAMA_TOKEN_NULL;
}

} // namespace

DraftModel::DraftModel(std::shared_ptr<Model> model, const Model & target, const ContextParams & params) :
    decoder(checked(std::move(model), target), draft_params(params), most_requests_to_draft_for),
    longest_text(size_t(std::max(1, llama_model_n_ctx_train(decoder.model().get())))) {}

size_t DraftModel::unread(const Text & text) {
    const size_t pending = text.tokens->size() - lanes[size_t(follow(text))].tokens.size();
    return pending > few ? pending : 0;
}

// The sequence of a text, cut back to what both have in common. At least the text's last token is left to evaluate.
int32_t DraftModel::follow(const Text & text) {
    const int32_t index = lane_for(text);
    Lane &        lane = lanes[size_t(index)];
    lane.used = ++tick;
    if (lane.edits != text.edits) lane.agreed = 0;
    lane.edits = text.edits;
    const size_t from = std::min(lane.agreed, text.tokens->size() - 1);
    lane.agreed = from + common_prefix(text.tokens->data() + from, text.tokens->size() - 1 - from, lane.tokens.data() + from, lane.tokens.size() - from);
    if (lane.tokens.size() > lane.agreed) cut(index, lane.agreed);
    return index;
}

// The request's own sequence, or else the one unused for longest, with what any of them has of the text.
int32_t DraftModel::lane_for(const Text & text) {
    for (size_t i = 0; i < lanes.size(); i++) {
        if (lanes[i].key == text.key) return int32_t(i);
    }
    const auto oldest = std::min_element(lanes.begin(), lanes.end(), [](const Lane & a, const Lane & b) { return a.used < b.used; });
    const auto common = [&](const Lane & lane) {
        return common_prefix(text.tokens->data(), text.tokens->size() - 1, lane.tokens.data(), lane.tokens.size());
    };
    const auto nearest = std::max_element(lanes.begin(), lanes.end(), [&](const Lane & a, const Lane & b) { return common(a) < common(b); });
    const auto index = int32_t(oldest - lanes.begin());
    if (const size_t length = common(*nearest); nearest != oldest && length > common(*oldest)) {
        cut(index, 0);
        llama_memory_seq_cp(decoder.memory(), llama_seq_id(nearest - lanes.begin()), index, 0, llama_pos(length));
        oldest->tokens.assign(nearest->tokens.begin(), nearest->tokens.begin() + std::ptrdiff_t(length));
    }
    oldest->key = text.key;
    oldest->agreed = 0;
    return index;
}

void DraftModel::cut(int32_t lane, size_t length) {
    if (length == 0 || !llama_memory_seq_rm(decoder.memory(), lane, llama_pos(length), -1)) {
        llama_memory_seq_rm(decoder.memory(), lane, -1, -1);
        length = 0;
    }
    auto & tokens = lanes[size_t(lane)].tokens;
    tokens.resize(std::min(tokens.size(), length));
    lanes[size_t(lane)].agreed = std::min(lanes[size_t(lane)].agreed, length);
}

void DraftModel::draft(std::vector<Task> & tasks, size_t read_limit) {
    spent_reading = spent_drafting = 0;
    if (failed || tasks.empty()) return;
    call_began = tick;
    try {
        for (const auto & task : tasks) follow(task.text);
        read(tasks, read_limit);
        const auto began = Clock::now();
        guess(tasks);
        spent_drafting = ms_since(began);
    } catch (const std::exception &) {
        // Requests go on without drafts; what is left in memory is unknown.
        failed = true;
        llama_memory_clear(decoder.memory(), false);
        lanes = {};
        for (auto & task : tasks) task.draft.clear();
    }
}

// Evaluates texts but for their last few tokens.
void DraftModel::read(std::vector<Task> & tasks, size_t limit) {
    for (auto & task : tasks) {
        const auto & text = *task.text.tokens;
        if (text.size() + task.most > longest_text) continue;
        const int32_t index = follow(task.text);
        Lane &        lane = lanes[size_t(index)];
        while (text.size() - lane.tokens.size() > few && limit > 0) {
            const size_t done = lane.tokens.size();
            const size_t count = std::min({ text.size() - done - 1, limit, size_t(decoder.batch_capacity()) });
            const auto   began = Clock::now();
            decoder.clear_batch();
            for (size_t i = done; i < done + count; i++) decoder.add(text[i], llama_pos(i), index, false);
            if (!decode()) {
                cut(index, 0);
                break;
            }
            lane.tokens.insert(lane.tokens.end(), text.begin() + std::ptrdiff_t(done), text.begin() + std::ptrdiff_t(done + count));
            lane.agreed = lane.tokens.size();
            limit -= count;
            const double ms = ms_since(began);
            spent_reading += ms;
            reading.add(ms / double(count));
        }
        task.read = text.size() - lane.tokens.size() <= few;
    }
}

void DraftModel::guess(std::vector<Task> & tasks) {
    struct Guessing {
        Task *  task;
        int32_t lane;
        int32_t output;
    };
    std::vector<Guessing> active;
    for (auto & task : tasks) {
        if (task.read && task.most > 0) active.push_back({ &task, follow(task.text), 0 });
    }
    std::vector<llama_token_data> best;
    while (!active.empty()) {
        decoder.clear_batch();
        for (auto & item : active) {
            // The rest of the text and of its draft.
            auto &       lane = lanes[size_t(item.lane)];
            const auto & text = *item.task->text.tokens;
            const auto & draft = item.task->draft;
            const size_t end = text.size() + draft.size();
            for (size_t i = lane.tokens.size(); i < end; i++) {
                const llama_token token = i < text.size() ? text[i] : draft[i - text.size()];
                item.output = decoder.add(token, llama_pos(i), item.lane, i + 1 == end);
                lane.tokens.push_back(token);
            }
        }
        if (!decode()) {
            for (const auto & item : active) cut(item.lane, 0);
            return;
        }
        for (auto & item : active) {
            const llama_token token = sure_guess(decoder.logits(item.output), decoder.model().vocabulary_size(), best);
            auto &            draft = item.task->draft;
            if (token != LLAMA_TOKEN_NULL) draft.push_back(token);
            if (token == LLAMA_TOKEN_NULL || draft.size() >= item.task->most || llama_vocab_is_eog(decoder.model().vocab(), token)) item.task = nullptr;
        }
        active.erase(std::remove_if(active.begin(), active.end(), [](const Guessing & item) { return !item.task; }), active.end());
    }
}

// Evaluates the batch, giving up texts that are not worked on now where there is no room. False where there is none still,
// or where it was told to stop.
bool DraftModel::decode() {
    while (true) {
        const auto outcome = decoder.decode();
        if (outcome != Decoder::Outcome::NoRoom) return outcome == Decoder::Outcome::Done;
        Lane * oldest = nullptr;
        for (auto & lane : lanes) {
            if (lane.used <= call_began && !lane.tokens.empty() && (!oldest || lane.used < oldest->used)) oldest = &lane;
        }
        if (!oldest) return false;
        cut(int32_t(oldest - lanes.data()), 0);
        oldest->key = 0;
    }
}

} // namespace llama_native

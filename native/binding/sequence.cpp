#include "binding/exports.h"
#include "binding/handles.h"
#include "binding/promise.h"

namespace llama_native {

namespace {

// Runs `work` on the engine's thread and resolves with what `convert` makes of its result.
template <typename Work, typename Convert> Napi::Value on_engine(const Options & options, Work work, Convert convert) {
    const auto & context = options.handle<Context>("context");
    const auto [promise, settler] = Settler::create(options.env());
    try {
        context->engine->post({ [work, convert, settler = settler](Engine & engine) {
                                   auto result = std::make_shared<decltype(work(engine.scheduler()))>(work(engine.scheduler()));
                                   settler->resolve(settler, [result, convert](Napi::Env env) { return convert(env, *result); });
                                   return true;
                               },
            [settler = settler](const Error & error) { settler->reject(settler, error); } });
    } catch (const Error & error) {
        settler->reject(settler, error);
    }
    return promise;
}

Napi::Value sequence_number(Napi::Env env, int32_t sequence) { return Napi::Number::New(env, sequence); }

Napi::Value nothing(Napi::Env env, bool) { return env.Undefined(); }

Napi::Value sequence_create(const Options & options) {
    if (options.handle<Context>("context")->engine->for_embeddings()) throw Error("INVALID_OPTION", "An embedding context has no sequences");
    return on_engine(options, [](Scheduler & scheduler) { return scheduler.open_sequence(); }, sequence_number);
}

Napi::Value sequence_fork(const Options & options) {
    return on_engine(options, [sequence = options.int32("sequence")](Scheduler & scheduler) { return scheduler.fork_sequence(sequence); },
        sequence_number);
}

Napi::Value sequence_dispose(const Options & options) {
    return on_engine(options,
        [sequence = options.int32("sequence")](Scheduler & scheduler) {
            scheduler.close_sequence(sequence);
            return true;
        },
        nothing);
}

Napi::Value sequence_truncate(const Options & options) {
    return on_engine(options,
        [sequence = options.int32("sequence"), length = options.uint32("length")](Scheduler & scheduler) {
            scheduler.truncate_sequence(sequence, length);
            return true;
        },
        nothing);
}

Napi::Value sequence_save(const Options & options) {
    return on_engine(options, [sequence = options.int32("sequence")](Scheduler & scheduler) { return scheduler.save_sequence(sequence); },
        [](Napi::Env env, const std::vector<uint8_t> & state) { return to_js(env, state); });
}

std::vector<uint8_t> read_bytes(const Options & options, const char * name) {
    const Napi::Value value = options.get(name);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        throw Error("INVALID_OPTION", std::string("Expected a Uint8Array for ") + name);
    }
    const auto array = value.As<Napi::Uint8Array>();
    return std::vector<uint8_t>(array.Data(), array.Data() + array.ElementLength());
}

Napi::Value sequence_restore(const Options & options) {
    const auto state = std::make_shared<const std::vector<uint8_t>>(read_bytes(options, "state"));
    return on_engine(options,
        [state, sequence = options.int32("sequence")](Scheduler & scheduler) { return scheduler.restore_sequence(sequence, *state); },
        [](Napi::Env env, const std::vector<llama_token> & tokens) { return to_js(env, tokens); });
}

Scheduler::Logits wanted_logits(const Options & options) {
    const std::string name = options.string("logits");
    if (name == "last") return Scheduler::Logits::Last;
    if (name == "all") return Scheduler::Logits::All;
    if (name == "none") return Scheduler::Logits::None;
    throw Error("INVALID_OPTION", "Expected \"last\", \"all\" or \"none\" for logits but received \"" + name + "\"");
}

// An evaluation takes one batch at a time, so that running requests go on in between.
struct Evaluation {
    int32_t                  sequence;
    std::vector<llama_token> tokens;
    Scheduler::Logits        which;
    size_t                   before = 0;  // the sequence's length, to which it goes back where a batch fails
    size_t                   done = 0;
    std::vector<float>       logits;

    // Whether that was the last batch.
    bool next_batch(Scheduler & scheduler) {
        if (done == 0) before = scheduler.sequence_length(sequence);
        try {
            done += scheduler.evaluate(sequence, tokens, done, which, logits);
        } catch (const Error & error) {
            throw with_length(error, scheduler);
        } catch (const std::exception & error) {
            throw with_length(Error("DECODE", error.what()), scheduler);
        }
        return done == tokens.size();
    }

    Error with_length(const Error & error, Scheduler & scheduler) const {
        ErrorDetails details = error.details;
        details["length"] = double(scheduler.take_back(sequence, before));
        return Error(error.code, error.what(), std::move(details), error.log);
    }
};

Napi::Value sequence_evaluate(const Options & options) {
    const auto & context = options.handle<Context>("context");
    const auto   state = std::make_shared<Evaluation>(Evaluation{ options.int32("sequence"), options.tokens("tokens"), wanted_logits(options), 0, 0, {} });
    if (state->tokens.empty()) throw Error("INVALID_OPTION", "Expected at least one token for evaluate");
    const auto model = context->engine->model();
    for (const llama_token token : state->tokens) model->check_token(token, "evaluate");
    const auto [promise, settler] = Settler::create(options.env());
    try {
        context->engine->post({ [state, settler = settler](Engine & engine) {
                                   if (!state->next_batch(engine.scheduler())) return false;
                                   settler->resolve(settler, [state](Napi::Env env) -> Napi::Value {
                                       if (state->which == Scheduler::Logits::None) return env.Null();
                                       return to_js(env, state->logits);
                                   });
                                   return true;
                               },
            [settler = settler](const Error & error) { settler->reject(settler, error); } });
    } catch (const Error & error) {
        settler->reject(settler, error);
    }
    return promise;
}

} // namespace

void export_sequence(Napi::Env env, Napi::Object exports) {
    exports.Set("sequenceCreate", Napi::Function::New<guarded<sequence_create>>(env, "sequenceCreate"));
    exports.Set("sequenceEvaluate", Napi::Function::New<guarded<sequence_evaluate>>(env, "sequenceEvaluate"));
    exports.Set("sequenceFork", Napi::Function::New<guarded<sequence_fork>>(env, "sequenceFork"));
    exports.Set("sequenceTruncate", Napi::Function::New<guarded<sequence_truncate>>(env, "sequenceTruncate"));
    exports.Set("sequenceSave", Napi::Function::New<guarded<sequence_save>>(env, "sequenceSave"));
    exports.Set("sequenceRestore", Napi::Function::New<guarded<sequence_restore>>(env, "sequenceRestore"));
    exports.Set("sequenceDispose", Napi::Function::New<guarded<sequence_dispose>>(env, "sequenceDispose"));
}

} // namespace llama_native

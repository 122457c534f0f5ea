#include "binding/exports.h"
#include "binding/handles.h"
#include "binding/promise.h"

#include <exception>
#include <map>
#include <mutex>
#include <utility>

namespace llama_native {

namespace {

// --- Options --------------------------------------------------------------------------------------------------------

template <typename T> T named(const Options & options, const char * name, const std::map<std::string, T> & values) {
    const std::string value = options.string(name);
    const auto        found = values.find(value);
    if (found == values.end()) throw Error("INVALID_OPTION", std::string("Unexpected value \"") + value + "\" for " + name);
    return found->second;
}

ContextParams context_params(const Options & options) {
    ContextParams params;
    params.context_size = options.uint32("contextSize");
    params.sequences = options.uint32("sequences");
    params.batch_size = options.uint32("batchSize");
    params.micro_batch_size = options.uint32("microBatchSize");
    params.threads = options.int32("threads");
    params.batch_threads = options.int32("batchThreads");
    params.kv_type_k = options.string("kvTypeK");
    params.kv_type_v = options.string("kvTypeV");
    params.flash_attention = named<llama_flash_attn_type>(options, "flashAttention",
        { { "auto", LLAMA_FLASH_ATTN_TYPE_AUTO }, { "on", LLAMA_FLASH_ATTN_TYPE_ENABLED }, { "off", LLAMA_FLASH_ATTN_TYPE_DISABLED } });
    params.offload_kv = options.boolean("offloadKv");
    params.queue_size = options.uint32("queueSize");
    params.packet_interval_ms = options.number("packetIntervalMs");
    params.ram_cache_bytes = uint64_t(std::max(0.0, options.number("ramCacheBytes")));
    params.rope_frequency_base = float(options.number("ropeFrequencyBase"));
    params.rope_frequency_scale = float(options.number("ropeFrequencyScale"));
    params.embeddings = options.boolean("embeddings");
    params.pooling = named<enum llama_pooling_type>(options, "pooling",
        { { "default", LLAMA_POOLING_TYPE_UNSPECIFIED }, { "none", LLAMA_POOLING_TYPE_NONE }, { "mean", LLAMA_POOLING_TYPE_MEAN },
            { "cls", LLAMA_POOLING_TYPE_CLS }, { "last", LLAMA_POOLING_TYPE_LAST } });
    constexpr int32_t most_threads = 512;  // GGML_MAX_N_THREADS
    for (const int32_t threads : { params.threads, params.batch_threads }) {
        if (threads < 0 || threads > most_threads) throw Error("INVALID_OPTION", "Expected 0 to 512 for threads but received " + std::to_string(threads));
    }
    if (params.batch_size < 1 || params.micro_batch_size < 1) throw Error("INVALID_OPTION", "Expected at least 1 for batchSize and microBatchSize");
    return params;
}

std::vector<llama_logit_bias> logit_bias(const Options & options) {
    const auto tokens = options.tokens("logitBiasTokens");
    const auto values = options.floats("logitBiasValues");
    if (tokens.size() != values.size()) throw Error("INVALID_OPTION", "Expected as many values as tokens for logitBias");
    std::vector<llama_logit_bias> result;
    for (size_t i = 0; i < tokens.size(); i++) result.push_back({ tokens[i], values[i] });
    return result;
}

SamplingParams sampling_params(const Options & options) {
    SamplingParams params;
    params.seed = options.uint32("seed");
    params.temperature = float(options.number("temperature"));
    params.dynamic_temperature_range = float(options.number("dynamicTemperatureRange"));
    params.dynamic_temperature_exponent = float(options.number("dynamicTemperatureExponent"));
    params.top_k = options.int32("topK");
    params.top_p = float(options.number("topP"));
    params.min_p = float(options.number("minP"));
    params.typical_p = float(options.number("typicalP"));
    params.top_n_sigma = float(options.number("topNSigma"));
    params.min_keep = options.int32("minKeep");
    params.xtc_probability = float(options.number("xtcProbability"));
    params.xtc_threshold = float(options.number("xtcThreshold"));
    params.dry_multiplier = float(options.number("dryMultiplier"));
    params.dry_base = float(options.number("dryBase"));
    params.dry_allowed_length = options.int32("dryAllowedLength");
    params.dry_penalty_last_n = options.int32("dryPenaltyLastN");
    params.dry_sequence_breakers = options.strings("drySequenceBreakers");
    params.repeat_penalty = float(options.number("repeatPenalty"));
    params.frequency_penalty = float(options.number("frequencyPenalty"));
    params.presence_penalty = float(options.number("presencePenalty"));
    params.repeat_last_n = options.int32("repeatLastN");
    params.mirostat = options.int32("mirostat");
    params.mirostat_tau = float(options.number("mirostatTau"));
    params.mirostat_eta = float(options.number("mirostatEta"));
    params.logit_bias = logit_bias(options);
    params.order = options.strings("order");
    params.grammar = options.string("grammar");
    return params;
}

Request request(const Options & options) {
    Request request;
    request.id = options.int64("id");
    request.tokens = options.tokens("tokens");
    request.max_tokens = options.int32("maxTokens");
    request.stop = options.strings("stop");
    request.stop_tokens = options.tokens("stopTokens");
    request.logprobs = options.int32("logprobs");
    request.context_shift = options.boolean("contextShift");
    request.keep_tokens = options.int32("keepTokens");
    request.cache_prompt = options.boolean("cachePrompt");
    request.render_special = options.boolean("renderSpecial");
    request.priority = options.int32("priority");
    request.timeout_ms = options.number("timeoutMs");
    request.elapsed_ms = options.number("elapsedMs");
    request.prompt_lookup = options.int32("promptLookup");
    if (request.prompt_lookup < 0) throw Error("INVALID_OPTION", "Expected 0 or more for promptLookup");
    request.draft = options.int32("draft");
    request.sampling = sampling_params(options.options("sampling"));
    request.sampling.ignore_eos = options.boolean("ignoreEos");
    return request;
}

// --- Events ---------------------------------------------------------------------------------------------------------

// Between the engine's thread and the JS thread: whatever steps happen before JS gets its turn cross together.
class EventQueue : public std::enable_shared_from_this<EventQueue> {
public:
    explicit EventQueue(std::shared_ptr<Dispatcher> dispatcher) : dispatcher(std::move(dispatcher)) {}

    std::weak_ptr<Context> context;  // JS thread only; set before the first event

    // Engine's thread.
    void push(std::vector<Event> && events) {
        {
            std::lock_guard<std::mutex> lock(mutex);
            waiting.insert(waiting.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
            if (std::exchange(scheduled, true)) return;
        }
        try {
            dispatcher->post([self = shared_from_this()](Napi::Env env) { self->deliver(env); });
        } catch (...) {
            std::lock_guard<std::mutex> lock(mutex);
            scheduled = false;  // the next push tries again
            throw;
        }
    }

private:
    void deliver(Napi::Env env) {
        std::vector<Event> events;
        {
            std::lock_guard<std::mutex> lock(mutex);
            events.swap(waiting);
            scheduled = false;
        }
        const auto target = context.lock();
        if (!target) return;
        for (const Event & event : events) {
            if (!event.end) continue;
            target->held--;
            dispatcher->release();
        }
        // A call takes its arguments from the stack, and a program may have been stopped for minutes.
        constexpr size_t most_events = 1000;
        std::exception_ptr failure;
        for (size_t from = 0; from < events.size(); from += most_events) {
            const Event * begin = events.data() + from;
            try {
                target->packet.send(env, target->on_events.Value(), begin, begin + std::min(most_events, events.size() - from));
            } catch (...) {
                if (!failure) failure = std::current_exception();  // the others' events come all the same
            }
        }
        if (failure) std::rethrow_exception(failure);
    }

    std::shared_ptr<Dispatcher> dispatcher;
    std::mutex                  mutex;
    std::vector<Event>          waiting;
    bool                        scheduled = false;  // `deliver` is about to come
};

// --- Functions ------------------------------------------------------------------------------------------------------

Napi::Value context_create(const Options & options) {
    const Napi::Env     env = options.env();
    Environment &       environment = Environment::of(env);
    const auto          model = options.live<Model>("model");
    const auto          draft = options.get("draftModel").IsNull() ? nullptr : options.live<Model>("draftModel");
    const ContextParams params = context_params(options.options("params"));
    const auto          queue = std::make_shared<EventQueue>(environment.dispatcher);

    // Made here so that its JS reference lives and dies on this thread; the closures below only pass it on.
    auto * context = new std::shared_ptr<Context>(std::make_shared<Context>());
    (*context)->dispatcher = environment.dispatcher;
    (*context)->on_events = Napi::Persistent(options.function("onEvents"));
    queue->context = *context;
    const auto [promise, settler] = Settler::create(env);
    try {
        (*context)->engine = Engine::start(model, draft, params, [queue](std::vector<Event> && events) { queue->push(std::move(events)); },
            [context, settler = settler](const Error * error) {
                const std::optional<Error> failure = error ? std::optional<Error>(*error) : std::nullopt;
                settler->resolve(settler, [context, failure](Napi::Env env) -> Napi::Value {
                    const std::shared_ptr<Context> made = std::move(*context);
                    delete context;
                    if (failure) throw *failure;
                    return make_handle<Context>(env, made);
                });
            });
    } catch (const Error & error) {
        delete context;
        settler->reject(settler, error);
        return promise;
    } catch (const std::exception & error) {
        delete context;
        settler->reject(settler, Error("INSUFFICIENT_MEMORY", std::string("The context's thread cannot be started: ") + error.what()));
        return promise;
    }
    environment.track((*context)->engine);
    return promise;
}

Engine & live_engine(const Options & options) {
    const auto & context = options.handle<Context>("context");
    return *context->engine;
}

Napi::Value context_info(const Options & options) {
    const Napi::Env     env = options.env();
    const ContextInfo & info = live_engine(options).info();
    Napi::Object        object = Napi::Object::New(env);
    object.Set("contextSize", info.context_size);
    object.Set("sequences", info.sequences);
    object.Set("batchSize", info.batch_size);
    object.Set("microBatchSize", info.micro_batch_size);
    object.Set("threads", info.threads);
    object.Set("batchThreads", info.batch_threads);
    object.Set("canShift", info.can_shift);
    return object;
}

Napi::Value context_stats(const Options & options) {
    const Napi::Env      env = options.env();
    const SchedulerStats stats = live_engine(options).stats();
    Napi::Object         object = Napi::Object::New(env);
    object.Set("running", double(stats.running));
    object.Set("waiting", double(stats.waiting));
    object.Set("usedCells", double(stats.used_cells));
    object.Set("totalCells", double(stats.total_cells));
    object.Set("cachedSequences", double(stats.cached_sequences));
    object.Set("steps", double(stats.steps));
    object.Set("evaluatedTokens", double(stats.evaluated_tokens));
    object.Set("cachedTokens", double(stats.cached_tokens));
    object.Set("generatedTokens", double(stats.generated_tokens));
    object.Set("cacheHits", double(stats.cache_hits));
    object.Set("evictions", double(stats.evictions));
    object.Set("preemptions", double(stats.preemptions));
    object.Set("stepRequests", double(stats.step_requests));
    object.Set("checkpointBytes", double(stats.checkpoint_bytes));
    object.Set("storedSequences", double(stats.stored_sequences));
    object.Set("storedBytes", double(stats.stored_bytes));
    object.Set("restoredSequences", double(stats.restored_sequences));
    return object;
}

Napi::Value context_dispose(const Options & options) {
    const auto context = options.handle<Context>("context");
    const auto [promise, settler] = Settler::create(options.env());
    const bool first = context->engine->begin_stop([settler = settler, context = std::weak_ptr<Context>(context)] {
        settler->resolve(settler, [context](Napi::Env env) {
            if (const auto alive = context.lock()) alive->engine->stop();  // joins a thread that is at its end
            return env.Undefined();
        });
    });
    if (!first) {
        // Another call stops it already: wait for the thread off the JS thread.
        settler->resolve(settler, [](Napi::Env env) { return env.Undefined(); });
        return PoolWork<bool>::start(options.env(),
            [engine = context->engine] {
                engine->stop();
                return true;
            },
            [](Napi::Env env, bool &&) { return env.Undefined(); });
    }
    return promise;
}

Napi::Value context_generate(const Options & options) {
    const auto & context = options.handle<Context>("context");
    context->engine->submit(request(options));
    context->held++;
    Environment::of(options.env()).dispatcher->hold();
    return options.env().Undefined();
}

Napi::Value context_cancel(const Options & options) {
    live_engine(options).cancel(options.int64("id"));
    return options.env().Undefined();
}

std::vector<std::vector<llama_token>> embedding_inputs(const Options & options, const Model & model) {
    const Napi::Value value = options.get("inputs");
    if (!value.IsArray()) throw Error("INVALID_OPTION", "Expected an array of Int32Array for inputs");
    std::vector<std::vector<llama_token>> inputs;
    const auto                            array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
        const Napi::Value item = array.Get(i);
        if (!item.IsTypedArray() || item.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
            throw Error("INVALID_OPTION", "Expected an array of Int32Array for inputs");
        }
        const auto tokens = item.As<Napi::Int32Array>();
        if (tokens.ElementLength() == 0) throw Error("INVALID_OPTION", "Expected at least one token for each of inputs");
        inputs.emplace_back(tokens.Data(), tokens.Data() + tokens.ElementLength());
        for (const llama_token token : inputs.back()) model.check_token(token, "inputs");
    }
    return inputs;
}

Napi::Value context_embed(const Options & options) {
    Engine & engine = live_engine(options);
    if (!engine.for_embeddings()) throw Error("INVALID_OPTION", "Only a context made with embeddings can embed");
    const auto inputs = std::make_shared<const std::vector<std::vector<llama_token>>>(embedding_inputs(options, *engine.model()));
    const auto outputs = std::make_shared<std::vector<std::vector<float>>>();
    const auto [promise, settler] = Settler::create(options.env());
    try {
        engine.post({ [inputs, outputs, settler = settler](Engine & engine) {
                         if (outputs->size() < inputs->size()) engine.embedder().embed(*inputs, outputs->size(), *outputs);
                         if (outputs->size() < inputs->size()) return false;
                         settler->resolve(settler, [outputs](Napi::Env env) {
                             Napi::Array list = Napi::Array::New(env, outputs->size());
                             for (size_t i = 0; i < outputs->size(); i++) list.Set(uint32_t(i), to_js(env, (*outputs)[i]));
                             return list;
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

void export_context(Napi::Env env, Napi::Object exports) {
    exports.Set("contextCreate", Napi::Function::New<guarded<context_create>>(env, "contextCreate"));
    exports.Set("contextInfo", Napi::Function::New<guarded<context_info>>(env, "contextInfo"));
    exports.Set("contextStats", Napi::Function::New<guarded<context_stats>>(env, "contextStats"));
    exports.Set("contextDispose", Napi::Function::New<guarded<context_dispose>>(env, "contextDispose"));
    exports.Set("contextGenerate", Napi::Function::New<guarded<context_generate>>(env, "contextGenerate"));
    exports.Set("contextCancel", Napi::Function::New<guarded<context_cancel>>(env, "contextCancel"));
    exports.Set("contextEmbed", Napi::Function::New<guarded<context_embed>>(env, "contextEmbed"));
}

} // namespace llama_native

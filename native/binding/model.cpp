#include "core/model.h"

#include "binding/exports.h"
#include "binding/handles.h"
#include "binding/promise.h"
#include "core/gguf_file.h"

#include "core/runtime.h"

#include <cmath>
#include <map>

namespace llama_native {

namespace {

// --- Loading --------------------------------------------------------------------------------------------------------

llama_load_mode load_mode(const std::string & name) {
    static const std::map<std::string, llama_load_mode> modes = { { "mmap", LLAMA_LOAD_MODE_MMAP }, { "mlock", LLAMA_LOAD_MODE_MLOCK },
        { "mmap+mlock", LLAMA_LOAD_MODE_MMAP_MLOCK }, { "read", LLAMA_LOAD_MODE_NONE }, { "direct-io", LLAMA_LOAD_MODE_DIRECT_IO } };
    const auto found = modes.find(name);
    if (found == modes.end()) throw Error("INVALID_OPTION", "Expected a load mode for loadMode but received \"" + name + "\"");
    return found->second;
}

MetadataOverride metadata_override(const Options & options) {
    MetadataOverride out;
    out.key = options.string("key");
    const std::string type = options.string("type");
    if (type == "int") {
        out.type = MetadataOverride::Type::Int;
        out.int_value = options.int64("value");
    } else if (type == "float") {
        out.type = MetadataOverride::Type::Float;
        out.float_value = options.number("value");
    } else if (type == "bool") {
        out.type = MetadataOverride::Type::Bool;
        out.bool_value = options.boolean("value");
    } else {
        out.type = MetadataOverride::Type::String;
        out.string_value = options.string("value");
    }
    return out;
}

TensorOverride tensor_override(const Options & options) { return { options.string("pattern"), options.string("device") }; }

DevicePlan device_plan(const Options & options) {
    DevicePlan plan;
    plan.automatic = options.get("devices").IsNull();
    if (!plan.automatic) plan.names = options.strings("devices");
    const std::string mode = options.string("splitMode");
    if (mode != "layer" && mode != "row") throw Error("INVALID_OPTION", "Expected \"layer\" or \"row\" for splitMode but received \"" + mode + "\"");
    plan.split_mode = mode == "row" ? LLAMA_SPLIT_MODE_ROW : LLAMA_SPLIT_MODE_LAYER;
    plan.tensor_split = options.floats("tensorSplit");
    const Napi::Value overrides = options.get("tensorOverrides");
    if (!overrides.IsArray()) throw Error("INVALID_OPTION", "Expected an array for tensorOverrides");
    for (uint32_t i = 0; i < overrides.As<Napi::Array>().Length(); i++) {
        plan.tensor_overrides.push_back(tensor_override(Options(overrides.As<Napi::Array>().Get(i))));
    }
    return plan;
}

LoadParams load_params(const Options & options) {
    LoadParams params;
    params.path = options.string("path");
    params.load_mode = load_mode(options.string("loadMode"));
    params.vocabulary_only = options.boolean("vocabularyOnly");
    params.check_tensors = options.boolean("checkTensors");
    params.gpu_layers = options.int32("gpuLayers");
    params.repack = options.boolean("repack");
    params.devices = device_plan(options);
    const Napi::Value overrides = options.get("metadataOverrides");
    if (!overrides.IsArray()) throw Error("INVALID_OPTION", "Expected an array for metadataOverrides");
    for (uint32_t i = 0; i < overrides.As<Napi::Array>().Length(); i++) {
        params.overrides.push_back(metadata_override(Options(overrides.As<Napi::Array>().Get(i))));
    }
    return params;
}

// Progress comes faster than JS may want it: only the newest value waits to be reported. Holds a JS reference, so it is
// made and deleted on the JS thread; the loading thread only borrows it.
class ProgressReport {
public:
    ProgressReport(Napi::Function function, std::shared_ptr<Dispatcher> dispatcher) :
        function(Napi::Persistent(function)), dispatcher(std::move(dispatcher)) {}

    // Loading thread.
    void report(float fraction) {
        newest = fraction;
        if (posted.exchange(true)) return;
        dispatcher->post([this](Napi::Env env) {
            posted = false;
            const float value = newest;
            if (value <= reported) return;
            reported = value;
            function.Call({ Napi::Number::New(env, value) });
        });
    }

    // Loading thread, as its last use: tasks run in order, so no report comes after.
    void end() {
        dispatcher->post([this](Napi::Env) { delete this; });
    }

private:
    Napi::FunctionReference     function;
    std::shared_ptr<Dispatcher> dispatcher;
    std::atomic<float>          newest{ 0 };
    std::atomic<bool>           posted{ false };
    float                       reported = -1;
};

// The loading thread.
void load(const LoadParams & params, ProgressReport * progress, const std::atomic<bool> & cancelled, const std::shared_ptr<Settler> & settler) {
    const auto report = [&](float fraction) {
        if (progress) progress->report(fraction);
        return !cancelled.load();
    };
    std::shared_ptr<Model> model;
    std::optional<Error>   failure;
    try {
        model = Model::load(params, report);
    } catch (const Error & error) {
        failure = error;
    } catch (const std::exception & error) {
        failure = Error("MODEL_FORMAT", "\"" + params.path + "\" cannot be loaded: " + error.what());
    }
    if (progress) progress->end();
    if (failure) settler->reject(settler, *failure);
    else settler->resolve(settler, [model](Napi::Env env) { return make_handle<Model>(env, model); });
}

Napi::Value model_load(const Options & options) {
    const Napi::Env  env = options.env();
    Environment &    environment = Environment::of(env);
    const LoadParams params = load_params(options);
    ProgressReport * progress = nullptr;
    if (options.get("onProgress").IsFunction()) {
        progress = new ProgressReport(options.function("onProgress"), environment.dispatcher);
    }
    const auto job = std::make_shared<LoadJob>();
    const auto [promise, settler] = Settler::create(env);
    // The thread does not own its job: that is joined by its last owner, which must not be the thread itself.
    try {
        job->thread = std::thread([params, progress, settler = settler, job = job.get(), dispatcher = environment.dispatcher] {
        load(params, progress, job->cancelled, settler);
        dispatcher->post([job](Napi::Env env) { Environment::of(env).forget(job); });
        });
    } catch (const std::exception & error) {
        delete progress;
        settler->reject(settler, Error("INSUFFICIENT_MEMORY", std::string("The loading thread cannot be started: ") + error.what()));
    }
    environment.track(job);
    Napi::Object result = Napi::Object::New(env);
    result.Set("promise", promise);
    result.Set("job", make_handle<LoadJob>(env, job));
    return result;
}

Napi::Value load_cancel(const Options & options) {
    options.live<LoadJob>("job")->cancelled = true;
    return options.env().Undefined();
}

Napi::Value model_free(const Options & options) {
    auto & handle = options.handle<Model>("model");
    // Unmapping gigabytes takes a while.
    return PoolWork<bool>::start(options.env(),
        [model = std::move(handle)]() mutable {
            model.reset();
            return true;
        },
        [](Napi::Env env, bool &&) { return env.Undefined(); });
}

// --- Facts ----------------------------------------------------------------------------------------------------------

std::string model_string(int32_t (*read)(const llama_model *, char *, size_t), const llama_model * model) {
    char buffer[256] = {};
    read(model, buffer, sizeof buffer);
    return buffer;
}

std::string metadata_text(const llama_model * model, int32_t index, int32_t (*read)(const llama_model *, int32_t, char *, size_t)) {
    std::string   text(256, '\0');
    const int32_t length = read(model, index, text.data(), text.size());
    if (length < 0) return {};
    if (size_t(length) >= text.size()) {
        text.resize(size_t(length) + 1);
        read(model, index, text.data(), text.size());
    }
    text.resize(size_t(length));
    return text;
}

Napi::Object metadata(Napi::Env env, const llama_model * model) {
    Napi::Object object = Napi::Object::New(env);
    for (int32_t i = 0; i < llama_model_meta_count(model); i++) {
        object.Set(metadata_text(model, i, llama_model_meta_key_by_index), metadata_text(model, i, llama_model_meta_val_str_by_index));
    }
    return object;
}

const char * vocabulary_type(enum llama_vocab_type type) {
    switch (type) {
        case LLAMA_VOCAB_TYPE_NONE: return "none";
        case LLAMA_VOCAB_TYPE_SPM: return "spm";
        case LLAMA_VOCAB_TYPE_BPE: return "bpe";
        case LLAMA_VOCAB_TYPE_WPM: return "wpm";
        case LLAMA_VOCAB_TYPE_UGM: return "ugm";
        case LLAMA_VOCAB_TYPE_RWKV: return "rwkv";
        case LLAMA_VOCAB_TYPE_PLAMO2: return "plamo2";
        default: return "unknown";
    }
}

Napi::Object vocabulary_info(Napi::Env env, const Model & model) {
    const llama_vocab * vocab = model.vocab();
    Napi::Object        info = Napi::Object::New(env);
    info.Set("type", vocabulary_type(llama_vocab_type(vocab)));
    info.Set("size", model.vocabulary_size());
    info.Set("addBos", llama_vocab_get_add_bos(vocab));
    info.Set("addEos", llama_vocab_get_add_eos(vocab));
    info.Set("bos", token_or_null(env, llama_vocab_bos(vocab)));
    info.Set("eos", token_or_null(env, llama_vocab_eos(vocab)));
    info.Set("eot", token_or_null(env, llama_vocab_eot(vocab)));
    info.Set("sep", token_or_null(env, llama_vocab_sep(vocab)));
    info.Set("nl", token_or_null(env, llama_vocab_nl(vocab)));
    info.Set("pad", token_or_null(env, llama_vocab_pad(vocab)));
    info.Set("mask", token_or_null(env, llama_vocab_mask(vocab)));
    info.Set("fimPrefix", token_or_null(env, llama_vocab_fim_pre(vocab)));
    info.Set("fimSuffix", token_or_null(env, llama_vocab_fim_suf(vocab)));
    info.Set("fimMiddle", token_or_null(env, llama_vocab_fim_mid(vocab)));
    Napi::Array eog = Napi::Array::New(env);
    for (const llama_token token : model.end_of_generation()) eog.Set(eog.Length(), token);
    info.Set("endOfGeneration", eog);
    info.Set("specialTexts", to_js(env, model.special_texts()));
    return info;
}

Napi::Value model_info(const Options & options) {
    const Napi::Env     env = options.env();
    const auto          handle = options.live<Model>("model");
    const llama_model * model = handle->get();
    Napi::Object        info = Napi::Object::New(env);
    const Napi::Object  meta = metadata(env, model);
    const char *        chat_template = llama_model_chat_template(model, nullptr);
    info.Set("description", model_string(llama_model_desc, model));
    info.Set("architecture", meta.Has("general.architecture") ? meta.Get("general.architecture") : Napi::String::New(env, ""));
    info.Set("parameterCount", double(llama_model_n_params(model)));
    info.Set("sizeBytes", double(llama_model_size(model)));
    info.Set("fileType", llama_ftype_name(llama_model_ftype(model)));
    info.Set("contextLength", llama_model_n_ctx_train(model));
    info.Set("embeddingLength", llama_model_n_embd(model));
    info.Set("layerCount", llama_model_n_layer(model));
    info.Set("headCount", handle->head_count());
    info.Set("headCountKv", handle->head_count_kv());
    info.Set("slidingWindow", llama_model_n_swa(model));
    info.Set("hasEncoder", llama_model_has_encoder(model));
    info.Set("hasDecoder", llama_model_has_decoder(model));
    info.Set("isRecurrent", llama_model_is_recurrent(model));
    info.Set("isHybrid", llama_model_is_hybrid(model));
    info.Set("metadata", meta);
    info.Set("chatTemplate", chat_template ? Napi::Value(Napi::String::New(env, chat_template)) : Napi::Value(env.Null()));
    info.Set("vocabulary", vocabulary_info(env, *handle));
    return info;
}

// --- Inspecting a file ----------------------------------------------------------------------------------------------

constexpr double largest_exact_integer = 9007199254740991.0;

Napi::Value gguf_value(Napi::Env env, const GgufValue & value);

// 64-bit integers that a JS number cannot hold exactly are passed as text.
template <typename T> Napi::Value gguf_integer(Napi::Env env, T value) {
    if (std::abs(double(value)) > largest_exact_integer) return Napi::String::New(env, std::to_string(value));
    return Napi::Number::New(env, double(value));
}

Napi::Value gguf_array(Napi::Env env, const GgufArray & array) {
    Napi::Array values = Napi::Array::New(env, array.values.size());
    for (size_t i = 0; i < array.values.size(); i++) values.Set(uint32_t(i), gguf_value(env, array.values[i]));
    Napi::Object object = Napi::Object::New(env);
    object.Set("type", array.type);
    object.Set("length", double(array.values.size()));
    object.Set("values", values);
    return object;
}

Napi::Value gguf_value(Napi::Env env, const GgufValue & value) {
    if (const auto * boolean = std::get_if<bool>(&value)) return Napi::Boolean::New(env, *boolean);
    if (const auto * integer = std::get_if<int64_t>(&value)) return gguf_integer(env, *integer);
    if (const auto * integer = std::get_if<uint64_t>(&value)) return gguf_integer(env, *integer);
    if (const auto * number = std::get_if<double>(&value)) return Napi::Number::New(env, *number);
    if (const auto * text = std::get_if<std::string>(&value)) return Napi::String::New(env, *text);
    return gguf_array(env, std::get<GgufArray>(value));
}

Napi::Value gguf_file(Napi::Env env, const GgufFile & file) {
    Napi::Object metadata = Napi::Object::New(env);
    for (const auto & [key, value] : file.metadata) metadata.Set(key, gguf_value(env, value));
    Napi::Array tensors = Napi::Array::New(env, file.tensors.size());
    for (size_t i = 0; i < file.tensors.size(); i++) {
        const GgufTensor & tensor = file.tensors[i];
        Napi::Object       item = Napi::Object::New(env);
        Napi::Array        shape = Napi::Array::New(env, tensor.shape.size());
        for (size_t d = 0; d < tensor.shape.size(); d++) shape.Set(uint32_t(d), double(tensor.shape[d]));
        item.Set("name", tensor.name);
        item.Set("type", tensor.type);
        item.Set("shape", shape);
        item.Set("sizeBytes", double(tensor.size_bytes));
        item.Set("offsetBytes", double(tensor.offset_bytes));
        tensors.Set(uint32_t(i), item);
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("version", file.version);
    object.Set("alignment", double(file.alignment));
    object.Set("sizeBytes", double(file.size_bytes));
    object.Set("metadata", metadata);
    object.Set("tensors", tensors);
    return object;
}

Napi::Value gguf_inspect(const Options & options) {
    ensure_backend();
    return PoolWork<GgufFile>::start(options.env(), [path = options.string("path")] { return inspect_gguf(path); },
        [](Napi::Env env, GgufFile && file) { return gguf_file(env, file); });
}

} // namespace

void export_model(Napi::Env env, Napi::Object exports) {
    exports.Set("modelLoad", Napi::Function::New<guarded<model_load>>(env, "modelLoad"));
    exports.Set("loadCancel", Napi::Function::New<guarded<load_cancel>>(env, "loadCancel"));
    exports.Set("modelFree", Napi::Function::New<guarded<model_free>>(env, "modelFree"));
    exports.Set("modelInfo", Napi::Function::New<guarded<model_info>>(env, "modelInfo"));
    exports.Set("ggufInspect", Napi::Function::New<guarded<gguf_inspect>>(env, "ggufInspect"));
}

} // namespace llama_native

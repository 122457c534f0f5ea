#include "core/model.h"

#include "core/device_plan.h"
#include "core/error.h"
#include "core/file_pages.h"
#include "core/first_characters.h"
#include "core/fnv1a.h"
#include "core/gguf_file.h"
#include "core/runtime.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace llama_native {

namespace {

// Bytes of progress between two releases of the mapped file's pages while loading; bounds the peak.
constexpr uint64_t release_interval_bytes = 256ull << 20;

struct LoadProgress {
    const std::function<bool(float)> & report;
    const FilePages *                  pages;
    uint64_t                           total_bytes;
    uint64_t                           released_bytes = 0;
    bool                               cancelled = false;

    static bool callback(float fraction, void * data) {
        auto & self = *static_cast<LoadProgress *>(data);
        const auto done = static_cast<uint64_t>(double(fraction) * double(self.total_bytes));
        if (self.pages && done - self.released_bytes >= release_interval_bytes) {
            self.released_bytes = done;
            self.pages->release();
        }
        if (!self.report(fraction)) self.cancelled = true;
        return !self.cancelled;
    }
};

std::vector<llama_model_kv_override> convert_overrides(const std::vector<MetadataOverride> & overrides) {
    std::vector<llama_model_kv_override> result;
    for (const auto & item : overrides) {
        llama_model_kv_override out{};
        if (item.key.empty() || item.key.size() >= sizeof out.key) {
            throw Error("INVALID_OPTION", "Expected a key of 1 to 127 bytes for metadataOverrides but received \"" + item.key + "\"");
        }
        std::strcpy(out.key, item.key.c_str());
        switch (item.type) {
            case MetadataOverride::Type::Int: out.tag = LLAMA_KV_OVERRIDE_TYPE_INT; out.val_i64 = item.int_value; break;
            case MetadataOverride::Type::Float: out.tag = LLAMA_KV_OVERRIDE_TYPE_FLOAT; out.val_f64 = item.float_value; break;
            case MetadataOverride::Type::Bool: out.tag = LLAMA_KV_OVERRIDE_TYPE_BOOL; out.val_bool = item.bool_value; break;
            case MetadataOverride::Type::String:
                out.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
                if (item.string_value.size() >= sizeof out.val_str) {
                    throw Error("INVALID_OPTION", "Expected a text of at most 127 bytes for metadataOverrides[\"" + item.key + "\"]");
                }
                std::strcpy(out.val_str, item.string_value.c_str());
                break;
        }
        result.push_back(out);
    }
    result.push_back({});  // llama.cpp reads up to the first empty key
    return result;
}

// The line that says why, out of llama.cpp's log of a failed load.
std::string load_failure_reason(const std::string & log) {
    const std::string marker = "error loading model: ";
    const size_t      at = log.rfind(marker);
    if (at == std::string::npos) return {};
    const size_t begin = at + marker.size();
    return log.substr(begin, log.find('\n', begin) - begin);
}

bool is_allocation_failure(const std::string & log) {
    return log.find("failed to allocate") != std::string::npos || log.find("unable to allocate") != std::string::npos;
}

} // namespace

std::shared_ptr<Model> Model::load(const LoadParams & params, const std::function<bool(float)> & progress) {
    ensure_backend();
    const std::vector<std::string> paths = check_model_files(params.path);
    const auto                     overrides = convert_overrides(params.overrides);
    NativeDevices                  devices(params.devices);

    const bool         mapped = params.load_mode == LLAMA_LOAD_MODE_MMAP;
    const FilePages    pages(mapped ? paths : std::vector<std::string>());
    llama_model_params native = llama_model_default_params();
    native.load_mode = params.load_mode;
    native.vocab_only = params.vocabulary_only;
    native.check_tensors = params.check_tensors;
    native.n_gpu_layers = params.gpu_layers;
    native.use_extra_bufts = params.repack;
    native.kv_overrides = overrides.data();
    devices.apply(native);

    // One load at a time maps files. A cancelled one does not wait.
    std::unique_lock<std::timed_mutex> lock(FilePages::loads(), std::defer_lock);
    while (!lock.try_lock_for(std::chrono::milliseconds(20))) {
        if (!progress(0)) throw Error("CANCELLED", "Loading was cancelled");
    }

    Guard        guard;
    LoadProgress state{ progress, mapped ? &pages : nullptr, 0 };
    for (const auto & path : paths) state.total_bytes += std::filesystem::file_size(std::filesystem::u8path(path));
    native.progress_callback = LoadProgress::callback;
    native.progress_callback_user_data = &state;

    llama_model * model = nullptr;
    std::string   reason;
    try {
        model = llama_model_load_from_file(params.path.c_str(), native);
    } catch (const std::exception & error) {
        reason = error.what();
    }
    if (mapped) pages.release();
    if (!model) {
        const std::string log = guard.log();
        if (state.cancelled) throw Error("CANCELLED", "Loading was cancelled");
        if (reason.empty()) reason = load_failure_reason(log);
        if (is_allocation_failure(log + reason)) {
            throw Error("INSUFFICIENT_MEMORY", "\"" + params.path + "\" does not fit in memory" +
                (reason.empty() ? "" : ": " + reason), { { "path", params.path } }, log);
        }
        throw Error("MODEL_FORMAT", "\"" + params.path + "\" cannot be loaded" + (reason.empty() ? "" : ": " + reason),
            { { "path", params.path } }, log);
    }
    progress(1.0f);
    return std::shared_ptr<Model>(new Model(model, params.vocabulary_only));
}

Model::Model(llama_model * model, bool vocabulary_only) :
    model(model), vocabulary(llama_model_get_vocab(model)), size(llama_vocab_n_tokens(vocabulary)),
    type(llama_vocab_type(vocabulary)), only_vocabulary(vocabulary_only),
    truncatable(!llama_model_is_recurrent(model) && !llama_model_is_hybrid(model)) {
    if (type != LLAMA_VOCAB_TYPE_NONE) {
        for (llama_token token = 0; token < size; token++) {
            if (llama_vocab_is_eog(vocabulary, token)) eog.push_back(token);
        }
    }
}

Model::~Model() {
    std::lock_guard<std::mutex> lock(FilePages::unmapping());
    llama_model_free(model);
}

uint64_t Model::fingerprint() const {
    uint64_t hash = fnv1a_start;
    const auto mix = [&](uint64_t value) { hash = fnv1a(hash, value); };
    mix(llama_model_n_params(model));
    mix(llama_model_size(model));
    mix(llama_model_n_embd(model));
    mix(llama_model_n_layer(model));
    mix(static_cast<uint64_t>(head_count_kv()));
    mix(static_cast<uint64_t>(size));
    // Those who trained it further changed its name, its template or its lengths, if not its size. llama.cpp has them in the order
    // of a hash table, which a sum does not depend on.
    const auto hash_text = [](uint64_t from, const char * text) {
        for (const char * at = text; *at; at++) from = fnv1a(from, uint8_t(*at));
        return from;
    };
    uint64_t sum = 0;
    char     text[512];
    for (int32_t i = 0; i < llama_model_meta_count(model); i++) {
        llama_model_meta_key_by_index(model, i, text, sizeof text);
        if (std::string_view(text).substr(0, 6) == "split.") continue;  // of how its files were cut
        const uint64_t key = hash_text(fnv1a_start, text);
        llama_model_meta_val_str_by_index(model, i, text, sizeof text);
        sum += hash_text(key, text);
    }
    mix(sum);
    return hash;
}

const FirstCharacters & Model::first_characters() const {
    std::lock_guard<std::mutex> lock(firsts_mutex);
    if (!firsts) firsts = std::make_unique<const FirstCharacters>(*this);
    return *firsts;
}

std::vector<std::string> Model::special_texts() const {
    std::vector<std::string> texts;
    for (llama_token token = 0; has_tokenizer() && token < size; token++) {
        if (llama_vocab_get_attr(vocabulary, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) {
            texts.emplace_back(llama_vocab_get_text(vocabulary, token));
        }
    }
    return texts;
}

void Model::check_token(llama_token token, const char * what) const {
    if (token < 0 || token >= size) {
        throw Error("INVALID_OPTION", "Expected token ids from 0 to " + std::to_string(size - 1) + " for " + what +
            " but received " + std::to_string(token));
    }
}

std::vector<llama_token> Model::tokenize(const std::string & text, bool add_special, bool parse_special) const {
    if (!has_tokenizer()) throw Error("MODEL_FORMAT", "This model file has no vocabulary to tokenize with");
    if (text.size() > INT32_MAX) {
        throw Error("INVALID_OPTION", "Expected a text below 2 GiB for tokenize but received " + std::to_string(text.size()) + " bytes");
    }
    Guard                    guard;
    std::vector<llama_token> tokens(text.size() / 2 + 16);
    int32_t count = llama_tokenize(vocabulary, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
        static_cast<int32_t>(tokens.size()), add_special, parse_special);
    if (count < 0 && count != INT32_MIN) {
        tokens.resize(static_cast<size_t>(-count));
        count = llama_tokenize(vocabulary, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
            static_cast<int32_t>(tokens.size()), add_special, parse_special);
    }
    if (count < 0) throw Error("INVALID_OPTION", "The text has more than 2^31 tokens");
    tokens.resize(static_cast<size_t>(count));
    return tokens;
}

std::string Model::detokenize(const llama_token * tokens, size_t count, bool remove_special, bool render_special) const {
    if (!has_tokenizer()) throw Error("MODEL_FORMAT", "This model file has no vocabulary to detokenize with");
    for (size_t i = 0; i < count; i++) check_token(tokens[i], "detokenize");
    Guard       guard;
    std::string text(std::max<size_t>(64, count * 6), '\0');
    int32_t length = llama_detokenize(vocabulary, tokens, static_cast<int32_t>(count), text.data(),
        static_cast<int32_t>(text.size()), remove_special, render_special);
    if (length < 0) {
        text.resize(static_cast<size_t>(-length));
        length = llama_detokenize(vocabulary, tokens, static_cast<int32_t>(count), text.data(),
            static_cast<int32_t>(text.size()), remove_special, render_special);
    }
    text.resize(static_cast<size_t>(std::max(0, length)));
    return text;
}

std::string Model::piece(llama_token token, bool render_special) const {
    char    buffer[256];
    int32_t length = llama_token_to_piece(vocabulary, token, buffer, sizeof buffer, 0, render_special);
    if (length >= 0) return std::string(buffer, static_cast<size_t>(length));
    std::string text(static_cast<size_t>(-length), '\0');
    length = llama_token_to_piece(vocabulary, token, text.data(), static_cast<int32_t>(text.size()), 0, render_special);
    text.resize(static_cast<size_t>(std::max(0, length)));
    return text;
}

} // namespace llama_native

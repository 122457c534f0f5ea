#pragma once

#include "llama.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace llama_native {

struct FirstCharacters;

struct MetadataOverride {
    std::string key;
    enum class Type { Int, Float, Bool, String } type;
    int64_t     int_value = 0;
    double      float_value = 0;
    bool        bool_value = false;
    std::string string_value;
};

// Tensors whose name holds a match of `pattern` (ECMAScript's grammar) are kept on `device`, wherever their layer is.
struct TensorOverride {
    std::string pattern;
    std::string device;  // ggml's name; "CPU" for RAM
};

// Where a model's layers may go. Names are ggml's, as `systemInfo` lists them.
struct DevicePlan {
    bool                        automatic = true;  // llama.cpp's own choice in place of `names`
    std::vector<std::string>    names;
    enum llama_split_mode       split_mode = LLAMA_SPLIT_MODE_LAYER;
    std::vector<float>          tensor_split;  // proportions by device; empty: by free memory
    std::vector<TensorOverride> tensor_overrides;
};

struct LoadParams {
    std::string                   path;
    llama_load_mode               load_mode = LLAMA_LOAD_MODE_MMAP;
    bool                          vocabulary_only = false;
    bool                          check_tensors = false;
    int32_t                       gpu_layers = -1;  // -1: all
    bool                          repack = true;
    DevicePlan                    devices;
    std::vector<MetadataOverride> overrides;
};

// Weights and vocabulary, immutable once loaded; shared by every engine made from it. Thread safe.
class Model {
public:
    // Blocks for as long as loading takes. `progress` gets 0..1 and may return false to cancel, which throws CANCELLED.
    static std::shared_ptr<Model> load(const LoadParams & params, const std::function<bool(float)> & progress);
    ~Model();
    Model(const Model &) = delete;
    Model & operator=(const Model &) = delete;

    llama_model *       get() const { return model; }
    const llama_vocab * vocab() const { return vocabulary; }
    int32_t             vocabulary_size() const { return size; }
    bool                vocabulary_only() const { return only_vocabulary; }
    bool                has_tokenizer() const { return type != LLAMA_VOCAB_TYPE_NONE; }
    const std::vector<llama_token> & end_of_generation() const { return eog; }
    // Texts of control and unknown tokens, as `parse_special` finds them.
    std::vector<std::string> special_texts() const;

    // Whether a sequence's memory can be cut at any position (false for recurrent and hybrid models).
    bool can_truncate() const { return truncatable; }

    // 0 where only the vocabulary was loaded: llama.cpp has not read the layers then, and aborts when asked.
    int32_t head_count() const { return only_vocabulary ? 0 : llama_model_n_head(model); }
    int32_t head_count_kv() const { return only_vocabulary ? 0 : llama_model_n_head_kv(model); }

    // Made when first asked for, which takes some milliseconds.
    const FirstCharacters & first_characters() const;

    // Identifies models whose saved sequence states are interchangeable.
    uint64_t fingerprint() const;

    // Throws INVALID_OPTION where `token` is not in the vocabulary.
    void check_token(llama_token token, const char * what) const;

    // Special-token text is plain text unless `parse_special`.
    std::vector<llama_token> tokenize(const std::string & text, bool add_special, bool parse_special) const;
    std::string detokenize(const llama_token * tokens, size_t count, bool remove_special, bool render_special) const;
    // Raw bytes of one token, which may be part of a character.
    std::string piece(llama_token token, bool render_special) const;

private:
    explicit Model(llama_model * model, bool vocabulary_only);

    llama_model *            model;
    const llama_vocab *      vocabulary;
    int32_t                  size;
    enum llama_vocab_type    type;
    bool                     only_vocabulary;
    bool                     truncatable;
    std::vector<llama_token> eog;

    mutable std::mutex                             firsts_mutex;
    mutable std::unique_ptr<const FirstCharacters> firsts;
};

} // namespace llama_native

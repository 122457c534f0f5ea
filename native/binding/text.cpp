// Tokenizing, detokenizing and templates.

#include "binding/exports.h"
#include "binding/handles.h"
#include "binding/promise.h"
#include "core/runtime.h"

namespace llama_native {

namespace {

struct TokenizeCall {
    std::shared_ptr<Model> model;
    std::string            text;
    bool                   add_special;
    bool                   parse_special;

    explicit TokenizeCall(const Options & options) :
        model(options.live<Model>("model")), text(options.string("text")), add_special(options.boolean("addSpecial")),
        parse_special(options.boolean("parseSpecial")) {}
    std::vector<llama_token> operator()() const { return model->tokenize(text, add_special, parse_special); }
};

struct DetokenizeCall {
    std::shared_ptr<Model>   model;
    std::vector<llama_token> tokens;
    bool                     remove_special;
    bool                     render_special;

    explicit DetokenizeCall(const Options & options) :
        model(options.live<Model>("model")), tokens(options.tokens("tokens")), remove_special(options.boolean("removeSpecial")),
        render_special(options.boolean("renderSpecial")) {}
    std::string operator()() const { return model->detokenize(tokens.data(), tokens.size(), remove_special, render_special); }
};

Napi::Value text_to_js(Napi::Env env, std::string && text) { return Napi::String::New(env, text); }

Napi::Value tokenize(const Options & options) { return to_js(options.env(), TokenizeCall(options)()); }

Napi::Value tokenize_async(const Options & options) {
    return PoolWork<std::vector<llama_token>>::start(options.env(), TokenizeCall(options),
        [](Napi::Env env, std::vector<llama_token> && tokens) { return to_js(env, tokens); });
}

Napi::Value detokenize(const Options & options) { return text_to_js(options.env(), DetokenizeCall(options)()); }

Napi::Value detokenize_async(const Options & options) {
    return PoolWork<std::string>::start(options.env(), DetokenizeCall(options), text_to_js);
}

llama_token read_token(const Options & options, const Model & model) {
    const llama_token token = options.int32("token");
    model.check_token(token, "token");
    if (!model.has_tokenizer()) throw Error("MODEL_FORMAT", "This model file has no vocabulary");
    return token;
}

Napi::Value token_info(const Options & options) {
    const Napi::Env     env = options.env();
    const auto          model = options.live<Model>("model");
    const llama_token   token = read_token(options, *model);
    const llama_vocab * vocab = model->vocab();
    const int           attributes = llama_vocab_get_attr(vocab, token);
    Napi::Object        info = Napi::Object::New(env);
    info.Set("text", llama_vocab_get_text(vocab, token));
    info.Set("score", llama_vocab_get_score(vocab, token));
    info.Set("isControl", llama_vocab_is_control(vocab, token));
    info.Set("isEndOfGeneration", llama_vocab_is_eog(vocab, token));
    info.Set("isByte", bool(attributes & LLAMA_TOKEN_ATTR_BYTE));
    info.Set("isUserDefined", bool(attributes & LLAMA_TOKEN_ATTR_USER_DEFINED));
    info.Set("isUnknown", bool(attributes & LLAMA_TOKEN_ATTR_UNKNOWN));
    return info;
}

Napi::Value token_piece(const Options & options) {
    const auto        model = options.live<Model>("model");
    const llama_token token = read_token(options, *model);
    return bytes_to_js(options.env(), model->piece(token, options.boolean("renderSpecial")));
}

Napi::Value template_create(const Options & options) {
    ensure_backend();
    return make_handle<ChatTemplate>(options.env(), std::make_shared<ChatTemplate>(options.string("source")));
}

Napi::Value template_render(const Options & options) {
    return text_to_js(options.env(), options.live<ChatTemplate>("template")->render(options.string("variables")));
}

Napi::Value template_render_async(const Options & options) {
    return PoolWork<std::string>::start(options.env(),
        [source = options.live<ChatTemplate>("template"), variables = options.string("variables")] { return source->render(variables); },
        text_to_js);
}

} // namespace

void export_text(Napi::Env env, Napi::Object exports) {
    exports.Set("tokenize", Napi::Function::New<guarded<tokenize>>(env, "tokenize"));
    exports.Set("tokenizeAsync", Napi::Function::New<guarded<tokenize_async>>(env, "tokenizeAsync"));
    exports.Set("detokenize", Napi::Function::New<guarded<detokenize>>(env, "detokenize"));
    exports.Set("detokenizeAsync", Napi::Function::New<guarded<detokenize_async>>(env, "detokenizeAsync"));
    exports.Set("tokenInfo", Napi::Function::New<guarded<token_info>>(env, "tokenInfo"));
    exports.Set("tokenPiece", Napi::Function::New<guarded<token_piece>>(env, "tokenPiece"));
    exports.Set("templateCreate", Napi::Function::New<guarded<template_create>>(env, "templateCreate"));
    exports.Set("templateRender", Napi::Function::New<guarded<template_render>>(env, "templateRender"));
    exports.Set("templateRenderAsync", Napi::Function::New<guarded<template_render_async>>(env, "templateRenderAsync"));
}

} // namespace llama_native

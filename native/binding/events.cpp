#include "binding/events.h"

#include "binding/convert.h"

namespace llama_native {

namespace {

const char * reason_name(EndReason reason) {
    switch (reason) {
        case EndReason::Stop: return "stop";
        case EndReason::Length: return "length";
        case EndReason::Cancelled: return "cancelled";
        default: return "error";
    }
}

// {code, message, details, log}: an error inside an event is data, not an exception.
Napi::Value error_shape(Napi::Env env, const std::optional<Error> & error) {
    if (!error) return env.Null();
    const Napi::Object thrown = to_js(env, *error).As<Napi::Object>();
    Napi::Object       shape = Napi::Object::New(env);
    shape.Set("code", error->code);
    shape.Set("message", error->what());
    shape.Set("details", thrown.Get("details"));
    shape.Set("log", error->log.empty() ? Napi::Value(env.Null()) : Napi::Value(Napi::String::New(env, error->log)));
    return shape;
}

Napi::Value end_to_js(Napi::Env env, const std::optional<GenerationEnd> & end) {
    if (!end) return env.Null();
    Napi::Object object = Napi::Object::New(env);
    object.Set("reason", reason_name(end->reason));
    object.Set("stopString", end->stop_string ? Napi::Value(Napi::String::New(env, *end->stop_string)) : Napi::Value(env.Null()));
    object.Set("stopToken", token_or_null(env, end->stop_token.value_or(-1)));
    object.Set("promptTokens", end->prompt_tokens);
    object.Set("cachedTokens", end->cached_tokens);
    object.Set("generatedTokens", end->generated_tokens);
    object.Set("queueMs", end->queue_ms);
    object.Set("firstTokenMs", end->first_token_ms);
    object.Set("totalMs", end->total_ms);
    object.Set("promptMs", end->prompt_ms);
    object.Set("generationMs", end->generation_ms);
    object.Set("contextShifts", end->context_shifts);
    object.Set("draftedTokens", end->drafted_tokens);
    object.Set("acceptedTokens", end->accepted_tokens);
    object.Set("error", error_shape(env, end->error));
    return object;
}

Napi::Object logprob_to_js(Napi::Env env, const ReportedLogprob & item) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("token", item.token);
    object.Set("logprob", item.logprob);
    object.Set("bytes", bytes_to_js(env, item.bytes));
    return object;
}

Napi::Value logprobs_to_js(Napi::Env env, const std::vector<ReportedToken> & tokens) {
    if (tokens.empty()) return env.Null();
    Napi::Array list = Napi::Array::New(env, tokens.size());
    for (size_t i = 0; i < tokens.size(); i++) {
        Napi::Object chosen = logprob_to_js(env, tokens[i].front());
        Napi::Array  top = Napi::Array::New(env, tokens[i].size() - 1);
        for (size_t k = 1; k < tokens[i].size(); k++) top.Set(uint32_t(k - 1), logprob_to_js(env, tokens[i][k]));
        chosen.Set("top", top);
        list.Set(uint32_t(i), chosen);
    }
    return list;
}

} // namespace

Napi::Array events_to_js(Napi::Env env, const std::vector<Event> & events) {
    Napi::Array list = Napi::Array::New(env, events.size());
    for (size_t i = 0; i < events.size(); i++) {
        const Event & event = events[i];
        Napi::Object  object = Napi::Object::New(env);
        Napi::Array   tokens = Napi::Array::New(env, event.tokens.size());
        for (size_t k = 0; k < event.tokens.size(); k++) tokens.Set(uint32_t(k), event.tokens[k]);
        object.Set("id", double(event.id));
        object.Set("text", event.text);
        object.Set("tokens", tokens);
        object.Set("logprobs", logprobs_to_js(env, event.logprobs));
        object.Set("promptProcessed", event.prompt_processed);
        object.Set("end", end_to_js(env, event.end));
        list.Set(uint32_t(i), object);
    }
    return list;
}

} // namespace llama_native

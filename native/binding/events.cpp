#include "binding/events.h"

#include "binding/convert.h"

#include <algorithm>

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

// What few events have: {logprobs, end}; null where an event has neither.
Napi::Value rare_to_js(Napi::Env env, const Event & event) {
    if (event.logprobs.empty() && !event.end) return env.Null();
    Napi::Object object = Napi::Object::New(env);
    object.Set("logprobs", logprobs_to_js(env, event.logprobs));
    object.Set("end", end_to_js(env, event.end));
    return object;
}

Napi::Value rare_parts_to_js(Napi::Env env, const Event * begin, const Event * end) {
    const auto is_rare = [](const Event & event) { return event.end || !event.logprobs.empty(); };
    if (std::none_of(begin, end, is_rare)) return env.Null();
    Napi::Array list = Napi::Array::New(env, size_t(end - begin));
    for (const Event * event = begin; event != end; event++) list.Set(uint32_t(event - begin), rare_to_js(env, *event));
    return list;
}

} // namespace

int32_t * EventPacket::numbers(Napi::Env env, size_t size) {
    if (capacity < size) {
        capacity = std::max<size_t>(64, 2 * size);
        Napi::Int32Array array = Napi::Int32Array::New(env, capacity);
        values = array.Data();
        reference = Napi::Persistent(Napi::Object(env, array));
    }
    return values;
}

void EventPacket::send(Napi::Env env, const Napi::Function & receiver, const Event * begin, const Event * end) {
    size_t size = 1;
    for (const Event * event = begin; event != end; event++) size += 3 + event->tokens.size();
    int32_t * out = numbers(env, size);
    *out++ = int32_t(end - begin);
    std::vector<napi_value> arguments{ reference.Value(), rare_parts_to_js(env, begin, end) };
    for (const Event * event = begin; event != end; event++) {
        *out++ = int32_t(event->id);
        *out++ = event->prompt_processed;
        *out++ = int32_t(event->tokens.size());
        out = std::copy(event->tokens.begin(), event->tokens.end(), out);
        arguments.push_back(Napi::String::New(env, event->text));
    }
    receiver.Call(arguments);
}

} // namespace llama_native

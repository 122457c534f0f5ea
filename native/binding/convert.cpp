#include "binding/convert.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace llama_native {

Napi::Value to_js(Napi::Env env, const Error & error) {
    Napi::Object object = Napi::Error::New(env, error.what()).Value();
    Napi::Object details = Napi::Object::New(env);
    for (const auto & [name, value] : error.details) {
        if (const auto * number = std::get_if<double>(&value)) details.Set(name, *number);
        else if (const auto * text = std::get_if<std::string>(&value)) details.Set(name, *text);
        else details.Set(name, std::get<bool>(value));
    }
    object.Set("code", error.code);
    object.Set("details", details);
    if (!error.log.empty()) object.Set("cause", Napi::Error::New(env, error.log).Value());
    return object;
}

Options::Options(const Napi::Value & value) {
    if (!value.IsObject()) throw Error("INVALID_OPTION", "Expected an options object");
    object = value.As<Napi::Object>();
}

void Options::wrong(const char * name, const std::string & expected) const {
    throw Error("INVALID_OPTION", "Expected " + expected + " for " + name, { { "option", std::string(name) } });
}

std::string Options::string(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsString()) wrong(name, "a string");
    return value.As<Napi::String>().Utf8Value();
}

bool Options::boolean(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsBoolean()) wrong(name, "a boolean");
    return value.As<Napi::Boolean>().Value();
}

double Options::number(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsNumber()) wrong(name, "a number");
    return value.As<Napi::Number>().DoubleValue();
}

int64_t Options::int64(const char * name) const {
    const double value = number(name);
    if (std::trunc(value) != value || std::abs(value) > 9007199254740991.0) wrong(name, "an integer");
    return static_cast<int64_t>(value);
}

int32_t Options::int32(const char * name) const {
    const int64_t value = int64(name);
    if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) wrong(name, "a 32-bit integer");
    return static_cast<int32_t>(value);
}

uint32_t Options::uint32(const char * name) const {
    const int64_t value = int64(name);
    if (value < 0 || value > std::numeric_limits<uint32_t>::max()) wrong(name, "an unsigned 32-bit integer");
    return static_cast<uint32_t>(value);
}

Options Options::options(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsObject()) wrong(name, "an object");
    return Options(value);
}

Napi::Function Options::function(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsFunction()) wrong(name, "a function");
    return value.As<Napi::Function>();
}

std::vector<std::string> Options::strings(const char * name) const {
    const Napi::Value value = get(name);
    if (!value.IsArray()) wrong(name, "an array of strings");
    const auto               array = value.As<Napi::Array>();
    std::vector<std::string> result;
    for (uint32_t i = 0; i < array.Length(); i++) {
        const Napi::Value item = array.Get(i);
        if (!item.IsString()) wrong(name, "an array of strings");
        result.push_back(item.As<Napi::String>().Utf8Value());
    }
    return result;
}

namespace {

template <typename Array, typename Element> bool copy_typed(const Napi::Value & value, napi_typedarray_type type, std::vector<Element> & out) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) return false;
    const auto array = value.As<Array>();
    out.assign(array.Data(), array.Data() + array.ElementLength());
    return true;
}

} // namespace

std::vector<int32_t> Options::tokens(const char * name) const {
    std::vector<int32_t> result;
    if (!copy_typed<Napi::Int32Array>(get(name), napi_int32_array, result)) wrong(name, "an Int32Array");
    return result;
}

std::vector<float> Options::floats(const char * name) const {
    std::vector<float> result;
    if (!copy_typed<Napi::Float32Array>(get(name), napi_float32_array, result)) wrong(name, "a Float32Array");
    return result;
}

Napi::Value to_js(Napi::Env env, const std::vector<std::string> & strings) {
    Napi::Array array = Napi::Array::New(env, strings.size());
    for (size_t i = 0; i < strings.size(); i++) array.Set(uint32_t(i), strings[i]);
    return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<int32_t> & tokens) {
    auto array = Napi::Int32Array::New(env, tokens.size());
    if (!tokens.empty()) std::memcpy(array.Data(), tokens.data(), tokens.size() * sizeof(int32_t));
    return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<float> & values) {
    auto array = Napi::Float32Array::New(env, values.size());
    if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
    return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<uint8_t> & bytes) {
    auto array = Napi::Uint8Array::New(env, bytes.size());
    if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
    return array;
}

Napi::Value bytes_to_js(Napi::Env env, const std::string & bytes) {
    auto array = Napi::Uint8Array::New(env, bytes.size());
    if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
    return array;
}

Napi::Value token_or_null(Napi::Env env, int32_t token) {
    return token < 0 ? Napi::Value(env.Null()) : Napi::Value(Napi::Number::New(env, token));
}

} // namespace llama_native

#pragma once

#include "core/error.h"

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

namespace llama_native {

// --- Errors ---------------------------------------------------------------------------------------------------------

// A JS Error with `code` and `details`, and llama.cpp's log, where there is one, as `cause`.
Napi::Value to_js(Napi::Env env, const Error & error);

// --- Handles --------------------------------------------------------------------------------------------------------

// An opaque JS object that owns a share of a C++ object. Each type has a tag of its own, so that a handle of another kind,
// or any other object, is refused instead of being misread.
template <typename T> struct HandleType;  // { static const napi_type_tag tag; static const char * name(); }

template <typename T> Napi::Object make_handle(Napi::Env env, std::shared_ptr<T> value) {
    Napi::Object object = Napi::Object::New(env);
    auto *       owned = new std::shared_ptr<T>(std::move(value));
    const auto   finalize = [](napi_env, void * data, void *) { delete static_cast<std::shared_ptr<T> *>(data); };
    if (napi_wrap(env, object, owned, finalize, nullptr, nullptr) != napi_ok) {
        delete owned;
        throw Napi::Error::New(env, "A handle could not be made");
    }
    napi_type_tag_object(env, object, &HandleType<T>::tag);
    return object;
}

// --- Options --------------------------------------------------------------------------------------------------------

// Reads the one options object of a call; a member of the wrong type is INVALID_OPTION.
class Options {
public:
    explicit Options(const Napi::Value & value);

    Napi::Env    env() const { return object.Env(); }
    Napi::Value  get(const char * name) const { return object.Get(name); }
    std::string  string(const char * name) const;
    bool         boolean(const char * name) const;
    double       number(const char * name) const;
    int32_t      int32(const char * name) const;   // an integer in range, or INVALID_OPTION
    uint32_t     uint32(const char * name) const;
    int64_t      int64(const char * name) const;
    Options      options(const char * name) const;
    Napi::Function function(const char * name) const;
    std::vector<std::string> strings(const char * name) const;
    std::vector<int32_t>     tokens(const char * name) const;   // from an Int32Array
    std::vector<float>       floats(const char * name) const;   // from a Float32Array

    template <typename T> std::shared_ptr<T> & handle(const char * name) const {
        const Napi::Value value = get(name);
        bool              matches = false;
        if (value.IsObject()) napi_check_object_type_tag(env(), value, &HandleType<T>::tag, &matches);
        void * data = nullptr;
        if (!matches || napi_unwrap(env(), value, &data) != napi_ok) wrong(name, std::string("a ") + HandleType<T>::name() + " handle");
        return *static_cast<std::shared_ptr<T> *>(data);
    }
    // The same, for objects that can be given up before their handle: DISPOSED then.
    template <typename T> std::shared_ptr<T> live(const char * name) const {
        auto & value = handle<T>(name);
        if (!value) throw Error("DISPOSED", std::string("The ") + HandleType<T>::name() + " has been disposed");
        return value;
    }

private:
    [[noreturn]] void wrong(const char * name, const std::string & expected) const;
    Napi::Object object;
};

// --- Values ---------------------------------------------------------------------------------------------------------

Napi::Value to_js(Napi::Env env, const std::vector<std::string> & strings);
Napi::Value to_js(Napi::Env env, const std::vector<int32_t> & tokens);           // Int32Array
Napi::Value to_js(Napi::Env env, const std::vector<float> & values);             // Float32Array
Napi::Value to_js(Napi::Env env, const std::vector<uint8_t> & bytes);            // Uint8Array
Napi::Value bytes_to_js(Napi::Env env, const std::string & bytes);               // Uint8Array
Napi::Value token_or_null(Napi::Env env, int32_t token);                         // negative: null

// --- Calls ----------------------------------------------------------------------------------------------------------

// Makes a JS function of `Function(const Options &)`: what it throws becomes a JS exception, and nothing escapes.
template <Napi::Value (*Function)(const Options &)> Napi::Value guarded(const Napi::CallbackInfo & info) {
    try {
        return Function(Options(info[0]));
    } catch (const Error & error) {
        throw Napi::Error(info.Env(), to_js(info.Env(), error));
    } catch (const Napi::Error &) {
        throw;
    } catch (const std::exception & error) {
        throw Napi::Error::New(info.Env(), error.what());
    }
}

} // namespace llama_native

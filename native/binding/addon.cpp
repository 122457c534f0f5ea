#include "binding/environment.h"
#include "binding/exports.h"

#include <napi.h>

#ifdef _WIN32
// Its macros min and max would take the place of std::min and std::max.
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

// Node unloads the addon when the last worker thread that loaded it ends. llama.cpp and ggml are not made for that: their
// registries, and the thread-local data of every thread that ever ran a kernel or wrote a log line, outlive the worker.
// So the library stays in the process once it is there.
void stay_loaded() {
#ifdef _WIN32
    HMODULE self;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       reinterpret_cast<LPCWSTR>(&stay_loaded), &self);
#else
    Dl_info self;
    if (dladdr(reinterpret_cast<void *>(&stay_loaded), &self)) dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}

// At the "exit" event; see Environment. Before all other listeners: one that throws, or calls process.exit() itself, ends the
// process at once, and those after it are never called.
void shut_down_at_exit(Napi::Env env) {
    const auto shut_down = [](const Napi::CallbackInfo & info) { llama_native::Environment::of(info.Env()).shut_down(); };
    const auto process = env.Global().Get("process").As<Napi::Object>();
    process.Get("prependOnceListener").As<Napi::Function>().Call(process, { Napi::String::New(env, "exit"), Napi::Function::New(env, shut_down) });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    using namespace llama_native;
    stay_loaded();
    auto * environment = new Environment(env);
    env.SetInstanceData(environment);
    // After the dispatcher's thread-safe function was made: see Dispatcher, rule 1.
    env.AddCleanupHook([](Environment * ending) { ending->shut_down(); }, environment);

    shut_down_at_exit(env);

    export_system(env, exports);
    export_model(env, exports);
    export_text(env, exports);
    export_context(env, exports);
    export_sequence(env, exports);
    return exports;
}

} // namespace

NODE_API_MODULE(llama_native, init)

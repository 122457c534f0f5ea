#include "binding/environment.h"
#include "binding/exports.h"

#include <napi.h>

namespace {

// The same at the "exit" event; see Environment.
void shut_down_at_exit(Napi::Env env) {
    const auto shut_down = [](const Napi::CallbackInfo & info) { llama_native::Environment::of(info.Env()).shut_down(); };
    const auto process = env.Global().Get("process").As<Napi::Object>();
    process.Get("once").As<Napi::Function>().Call(process, { Napi::String::New(env, "exit"), Napi::Function::New(env, shut_down) });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    using namespace llama_native;
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

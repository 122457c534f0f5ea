#include "binding/environment.h"
#include "binding/exports.h"

#include <napi.h>

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
    using namespace llama_native;
    auto * environment = new Environment(env);
    env.SetInstanceData(environment);
    // After the dispatcher's thread-safe function was made: see Dispatcher, rule 1.
    env.AddCleanupHook([](Environment * ending) { ending->shut_down(); }, environment);

    export_system(env, exports);
    export_model(env, exports);
    export_text(env, exports);
    export_context(env, exports);
    export_sequence(env, exports);
    return exports;
}

} // namespace

NODE_API_MODULE(llama_native, init)

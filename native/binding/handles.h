#pragma once

#include "binding/convert.h"
#include "binding/environment.h"
#include "binding/events.h"
#include "core/chat_template.h"
#include "core/engine.h"
#include "core/model.h"

namespace llama_native {

// What a context's handle owns: the engine, and the JS function its events go to.
struct Context {
    std::shared_ptr<Engine>     engine;
    Napi::FunctionReference     on_events;
    EventPacket                 packet;
    std::shared_ptr<Dispatcher> dispatcher;
    uint32_t                    held = 0;  // requests that have not ended; each keeps the process alive

    ~Context() {
        for (; held > 0; held--) dispatcher->release();
    }
};

template <> struct HandleType<Model> {
    static constexpr napi_type_tag tag = { 0x6c6c616d61000001ull, 0x6e61746976650001ull };
    static const char * name() { return "model"; }
};
template <> struct HandleType<LoadJob> {
    static constexpr napi_type_tag tag = { 0x6c6c616d61000002ull, 0x6e61746976650002ull };
    static const char * name() { return "load job"; }
};
template <> struct HandleType<ChatTemplate> {
    static constexpr napi_type_tag tag = { 0x6c6c616d61000003ull, 0x6e61746976650003ull };
    static const char * name() { return "template"; }
};
template <> struct HandleType<Context> {
    static constexpr napi_type_tag tag = { 0x6c6c616d61000004ull, 0x6e61746976650004ull };
    static const char * name() { return "context"; }
};

} // namespace llama_native

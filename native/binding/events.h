#pragma once

#include "core/request.h"

#include <napi.h>

#include <vector>

namespace llama_native {

// The events of one or more steps as a JS array; src/native/contract.ts has their shape.
Napi::Array events_to_js(Napi::Env env, const std::vector<Event> & events);

} // namespace llama_native

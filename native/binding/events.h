#pragma once

#include "core/request.h"

#include <napi.h>

namespace llama_native {

// Hands the events of one or more steps to JS in one call, of as few JS values as can be: the JS thread has been idle
// since the last one, and whatever it touches comes from far away in memory.
//
// The receiver is called with an Int32Array - the number of events, then for each its id, the prompt tokens processed, the
// number of tokens and these - then with an array of {logprobs, end} for the events that have any, or null, and then with
// the text of each event. The Int32Array is used again for the next packet. JS thread only.
class EventPacket {
public:
    void send(Napi::Env env, const Napi::Function & receiver, const Event * begin, const Event * end);

private:
    int32_t * numbers(Napi::Env env, size_t size);

    Napi::ObjectReference reference;  // to the Int32Array; what `values` points into
    int32_t *             values = nullptr;
    size_t                capacity = 0;
};

} // namespace llama_native

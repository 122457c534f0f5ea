#pragma once

#include <napi.h>

// Each file of the binding adds its functions; src/native/contract.ts has them all.
namespace llama_native {

void export_system(Napi::Env env, Napi::Object exports);
void export_model(Napi::Env env, Napi::Object exports);
void export_text(Napi::Env env, Napi::Object exports);
void export_context(Napi::Env env, Napi::Object exports);
void export_sequence(Napi::Env env, Napi::Object exports);

} // namespace llama_native

#pragma once

#include "binding/convert.h"
#include "binding/environment.h"

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace llama_native {

// A JS promise that some other thread settles, once. Keeps the process alive until then.
class Settler {
public:
    // JS thread.
    static std::pair<Napi::Value, std::shared_ptr<Settler>> create(Napi::Env env) {
        auto settler = std::shared_ptr<Settler>(new Settler(env));
        return { settler->deferred.Promise(), settler };
    }

    using Value = std::function<Napi::Value(Napi::Env)>;

    // Any thread; `value` is called on the JS thread. A value that cannot be made rejects.
    void resolve(std::shared_ptr<Settler> self, Value value) {
        dispatcher->post([self = std::move(self), value = std::move(value)](Napi::Env env) {
            try {
                const Napi::Value result = value(env);
                self->deferred.Resolve(result);
            } catch (const Error & error) {
                self->deferred.Reject(to_js(env, error));
            } catch (const Napi::Error & error) {
                self->deferred.Reject(error.Value());
            } catch (const std::exception & error) {
                self->deferred.Reject(to_js(env, Error("DECODE", error.what())));
            }
            self->dispatcher->release();
        });
    }

    void reject(std::shared_ptr<Settler> self, const Error & error) {
        resolve(std::move(self), [error](Napi::Env) -> Napi::Value { throw error; });
    }

private:
    explicit Settler(Napi::Env env) : deferred(env), dispatcher(Environment::of(env).dispatcher) { dispatcher->hold(); }

    Napi::Promise::Deferred     deferred;
    std::shared_ptr<Dispatcher> dispatcher;
};

// Runs `work` on libuv's pool and resolves with what `convert` makes of its result on the JS thread. For short,
// processor-bound work only: the pool also serves files and DNS.
template <typename T> class PoolWork : public Napi::AsyncWorker {
public:
    using Work = std::function<T()>;
    using Convert = std::function<Napi::Value(Napi::Env, T &&)>;

    static Napi::Value start(Napi::Env env, Work work, Convert convert) {
        auto * self = new PoolWork(env, std::move(work), std::move(convert));
        const Napi::Value promise = self->deferred.Promise();
        self->Queue();
        return promise;
    }

private:
    PoolWork(Napi::Env env, Work work, Convert convert) :
        Napi::AsyncWorker(env, "llama-native"), deferred(env), work(std::move(work)), convert(std::move(convert)) {}

    void Execute() override {
        try {
            result.emplace(work());
        } catch (const Error & caught) {
            error.emplace(caught);
        } catch (const std::exception & caught) {
            error.emplace("DECODE", caught.what());
        }
    }

    void OnOK() override {
        try {
            if (error) deferred.Reject(to_js(Env(), *error));
            else deferred.Resolve(convert(Env(), std::move(*result)));
        } catch (const Napi::Error & failure) {
            reject(failure);
        } catch (const std::exception & failure) {
            reject(Napi::Error::New(Env(), failure.what()));
        }
    }

    // The result may be more than JS can hold.
    void reject(const Napi::Error & failure) {
        try {
            deferred.Reject(failure.Value());
        } catch (const Napi::Error &) {
            // A worker thread that is being terminated runs no JS any more: nobody is left to tell.
        }
    }

    Napi::Promise::Deferred deferred;
    Work                    work;
    Convert                 convert;
    std::optional<T>        result;
    std::optional<Error>    error;
};

} // namespace llama_native

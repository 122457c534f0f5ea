#pragma once

#include "core/engine.h"

#include <napi.h>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace llama_native {

// Hands functions from any thread to the JS thread of one environment, in order.
//
// Rules, each for a reason:
// 1. The thread-safe function is made before the environment's cleanup hook is registered. Hooks run last in, first
//    out, so ours stops every thread that could still call it before Node tears it down.
// 2. It is unref'd unless work is under way (`hold` and `release`, on the JS thread), so that an idle model never keeps
//    the process alive.
// 3. After `close` posting does nothing: what was posted is dropped with the environment. Every thread that posts has
//    ended by then, as posting does not hold the lock all along.
class Dispatcher {
public:
    explicit Dispatcher(Napi::Env env);

    using Task = std::function<void(Napi::Env)>;
    void post(Task task);  // any thread

    void hold();     // JS thread: something will be posted
    void release();  // JS thread: and it has been
    void close();    // JS thread

private:
    static void run(Napi::Env env, Napi::Function, Dispatcher * self, void *);
    using Function = Napi::TypedThreadSafeFunction<Dispatcher, void, &Dispatcher::run>;

    Napi::Env         env;
    Function          function;
    uint32_t          holds = 0;
    std::mutex        mutex;
    std::vector<Task> tasks;
    bool              scheduled = false;
    bool              closed = false;
};

// A model load on a thread of its own.
struct LoadJob {
    std::thread       thread;
    std::atomic<bool> cancelled{ false };
    ~LoadJob() {
        cancelled = true;
        if (thread.joinable()) thread.join();
    }
};

// Everything the addon keeps for one environment (the main thread or a worker thread). Lives until Node frees instance
// data; `shut_down` runs earlier and ends all threads, whichever comes first of:
// - `process`'s "exit" event: process.exit() and uncaught exceptions lead straight to C's exit(), which runs no cleanup
//   hooks but destroys llama.cpp's statics under the threads that use them;
// - the environment's cleanup hook, when a worker is terminated (which emits no event) or the loop runs dry.
class Environment {
public:
    explicit Environment(Napi::Env env) : dispatcher(std::make_shared<Dispatcher>(env)) {}

    static Environment & of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

    void track(const std::shared_ptr<Engine> & engine);
    // Keeps the job until `forget`: its destructor cancels, and JS may drop its handle while the load goes on.
    void track(const std::shared_ptr<LoadJob> & job);
    void forget(const LoadJob * job);
    void shut_down();

    const std::shared_ptr<Dispatcher> dispatcher;

private:
    std::list<std::weak_ptr<Engine>>    engines;
    std::list<std::shared_ptr<LoadJob>> loads;
    bool                                ended = false;
};

} // namespace llama_native

#include "binding/environment.h"

#include <utility>

namespace llama_native {

Dispatcher::Dispatcher(Napi::Env env) :
    env(env), function(Function::New(env, "llama-native", /* max_queue_size */ 0, /* threads */ 1, this)) {
    function.Unref(env);
}

void Dispatcher::post(Task task) {
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (closed) return;
        tasks.push_back(std::move(task));
        if (std::exchange(scheduled, true)) return;
    }
    // Not under the lock: the JS thread wakes on this core at once, and would go to sleep again at the lock.
    function.NonBlockingCall();
}

void Dispatcher::run(Napi::Env env, Napi::Function, Dispatcher * self, void *) {
    if (env == nullptr) return;  // the environment is going away
    std::vector<Task> batch;
    {
        std::lock_guard<std::mutex> lock(self->mutex);
        batch.swap(self->tasks);
        self->scheduled = false;
    }
    for (auto & task : batch) {
        Napi::HandleScope scope(env);
        try {
            task(env);
        } catch (const Napi::Error & error) {
            // Thrown by a JS callback: an uncaught exception, as anywhere. (An environment that is being terminated
            // takes none; then there is nobody to tell.)
            napi_fatal_exception(env, error.Value());
        } catch (const std::exception & error) {
            // Through Node's own frames it would end the process without a word.
            napi_fatal_exception(env, Napi::Error::New(env, error.what()).Value());
        }
    }
}

void Dispatcher::hold() {
    if (holds++ == 0 && !closed) function.Ref(env);
}

void Dispatcher::release() {
    if (--holds == 0 && !closed) function.Unref(env);
}

void Dispatcher::close() {
    {
        std::lock_guard<std::mutex> lock(mutex);
        closed = true;
        tasks.clear();
    }
    function.Abort();
}

void Environment::track(const std::shared_ptr<Engine> & engine) {
    engines.remove_if([](const auto & item) { return item.expired(); });
    engines.push_back(engine);
    if (ended) engine->stop();  // made by a listener of "exit", all of which come after ours
}

void Environment::track(const std::shared_ptr<LoadJob> & job) {
    loads.push_back(job);
    if (!ended) return;
    // Made by a listener of "exit", too: nobody else waits for it before C's exit().
    job->cancelled = true;
    if (job->thread.joinable()) job->thread.join();
}

void Environment::forget(const LoadJob * job) {
    loads.remove_if([&](const auto & item) { return item.get() == job; });
}

void Environment::shut_down() {
    if (std::exchange(ended, true)) return;
    // First tell all, then wait for each: they stop side by side.
    for (auto & job : loads) job->cancelled = true;
    for (auto & item : engines) {
        if (const auto engine = item.lock()) engine->begin_stop({});
    }
    for (auto & item : engines) {
        if (const auto engine = item.lock()) engine->stop();
    }
    for (auto & job : loads) {
        if (job->thread.joinable()) job->thread.join();
    }
    dispatcher->close();
}

} // namespace llama_native

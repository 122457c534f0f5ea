#include "core/thread_pool.h"

#include "core/error.h"
#include "ggml-cpu.h"

#include <chrono>
#include <map>

namespace llama_native {

std::shared_ptr<ThreadPool> ThreadPool::acquire(int threads) {
    static std::mutex                             mutex;
    static std::map<int, std::weak_ptr<ThreadPool>> pools;
    std::lock_guard<std::mutex>                   lock(mutex);
    auto                                          pool = pools[threads].lock();
    if (!pool) {
        pool = std::shared_ptr<ThreadPool>(new ThreadPool(threads));
        pools[threads] = pool;
    }
    return pool;
}

namespace {

// A function of ggml's CPU backend, which is in a library of its own where there is one for each kind of CPU.
template <class Function> Function * cpu_function(const char * name) {
    ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    return reinterpret_cast<Function *>(ggml_backend_reg_get_proc_address(registry, name));
}

} // namespace

ThreadPool::ThreadPool(int threads) {
    ggml_threadpool_params params = ggml_threadpool_params_default(threads);
    // Between two graphs the threads spin for 131072 pauses for each unit, some milliseconds, before they sleep: longer than
    // sampling takes, and short enough to leave the cores to others when nothing follows.
    params.poll = 1;
    pool = cpu_function<decltype(ggml_threadpool_new)>("ggml_threadpool_new")(&params);
    if (!pool) throw Error("INSUFFICIENT_MEMORY", "The compute threads could not be started");
}

ThreadPool::~ThreadPool() { cpu_function<decltype(ggml_threadpool_free)>("ggml_threadpool_free")(pool); }

ThreadPool::Turn::Turn(ThreadPool & pool, const std::function<bool()> & goes_on) : pool(pool) {
    std::unique_lock<std::mutex> lock(pool.mutex);
    const uint64_t               ticket = pool.next_ticket++;
    while (!pool.turn_changed.wait_for(lock, std::chrono::milliseconds(5), [&] { return pool.now_serving == ticket; })) {
        lock.unlock();
        const bool waits = goes_on();
        lock.lock();
        if (waits) continue;
        pool.give_up(ticket);
        return;
    }
    held = true;
}

ThreadPool::Turn::~Turn() {
    if (!held) return;
    std::lock_guard<std::mutex> lock(pool.mutex);
    pool.serve_next();
}

void ThreadPool::give_up(uint64_t ticket) {
    if (now_serving == ticket) serve_next();
    else given_up.insert(ticket);
}

void ThreadPool::serve_next() {
    do now_serving++;
    while (given_up.erase(now_serving) > 0);
    turn_changed.notify_all();
}

} // namespace llama_native

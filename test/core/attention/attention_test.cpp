#include "check.h"
#include "cmake/attention.h"
#include "ggml_parts.h"

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

// What attention.h needs of ggml's CPU backend, for threads of the test's own.
struct ggml_threadpool {
    std::atomic<int>        chunk{ 0 };
    std::mutex              mutex;
    std::condition_variable all_here;
    int                     threads = 1, waiting = 0, round = 0;
};

extern "C" {
void ggml_threadpool_chunk_set(ggml_threadpool * pool, int value) { pool->chunk = value; }
int  ggml_threadpool_chunk_add(ggml_threadpool * pool, int value) { return pool->chunk.fetch_add(value); }
void ggml_barrier(ggml_threadpool * pool) {
    std::unique_lock<std::mutex> lock(pool->mutex);
    const int                    round = pool->round;
    if (++pool->waiting == pool->threads) {
        pool->waiting = 0;
        pool->round++;
        pool->all_here.notify_all();
    }
    pool->all_here.wait(lock, [&] { return pool->round != round; });
}
#ifdef __ARM_FEATURE_SVE
// Volatile, as GCC 12 crashes when it adds a check of overflow to a product with a number that only the processor knows.
int ggml_cpu_get_sve_cnt(void) {
    volatile int bytes = (int) svcntb();
    return bytes;
}
#endif
void ggml_cpu_fp16_to_fp32(const ggml_fp16_t * from, float * to, int64_t count) { ggml_fp16_to_fp32_row(from, to, count); }
}

namespace {

// The sequence and position of each token of a batch or cell of a cache; of cells, -1 is an empty one.
struct Place {
    int sequence, position;
};
using Places = std::vector<Place>;

struct Shape {
    ggml_type type = GGML_TYPE_F16;
    int64_t   key_length = 64, value_length = 64, heads = 4, key_heads = 2;
    float     max_bias = 0, softcap = 0;
    bool      sinks = false;
};

// A number that is the same for the same arguments, so that a token is the same whatever batch and cell it is in.
float noise(int what, Place place, int64_t head, int64_t at) {
    uint64_t x = what * 1000003ull + place.sequence * 7919ull + place.position * 104729ull + head * 1299709ull + at * 15485863ull;
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15ull;
    x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9ull;
    return (float) ((x >> 40) / double(1 << 24) - 0.5) * 4;
}

struct Attention {
    const Shape &  shape;
    const Places & tokens, & cells;
    ggml_context * context;
    ggml_tensor *  q, * k, * v, * mask, * sinks = nullptr, * out;
    std::vector<float> keys, values;  // as the cache holds them, as [head][cell][at]

    Attention(const Shape & of, const Places & batch, const Places & cache)
        : shape(of), tokens(batch), cells(cache), context(ggml_init({ 64 << 20, nullptr, false })) {
        const int64_t count = cells.size();
        q    = ggml_new_tensor_3d(context, GGML_TYPE_F32, shape.key_length, tokens.size(), shape.heads);
        k    = ggml_new_tensor_3d(context, shape.type, shape.key_length, count, shape.key_heads);
        v    = ggml_new_tensor_3d(context, shape.type, shape.value_length, count, shape.key_heads);
        mask = ggml_new_tensor_2d(context, GGML_TYPE_F16, count, tokens.size());
        for (int64_t head = 0; head < shape.heads; head++) {
            for (size_t token = 0; token < tokens.size(); token++) {
                for (int64_t at = 0; at < shape.key_length; at++) {
                    ((float *) q->data)[(head * tokens.size() + token) * shape.key_length + at] = noise(1, tokens[token], head, at);
                }
            }
        }
        fill(k, 2, shape.key_length, keys);
        fill(v, 3, shape.value_length, values);
        for (size_t token = 0; token < tokens.size(); token++) {
            for (int64_t cell = 0; cell < count; cell++) {
                const Place & place = cells[cell];
                const bool    seen  = place.sequence == tokens[token].sequence && place.position <= tokens[token].position;
                const float   far   = shape.max_bias > 0 ? place.position - tokens[token].position : 0;
                ((ggml_fp16_t *) mask->data)[token * count + cell] = ggml_fp32_to_fp16(seen ? far : -INFINITY);
            }
        }
        out = ggml_flash_attn_ext(context, q, k, v, mask, 1 / sqrtf(shape.key_length), shape.max_bias, shape.softcap);
        if (shape.sinks) {
            sinks = ggml_new_tensor_1d(context, GGML_TYPE_F32, shape.heads);
            for (int64_t head = 0; head < shape.heads; head++) ((float *) sinks->data)[head] = noise(4, { 0, 0 }, head, 0);
            ggml_flash_attn_ext_add_sinks(out, sinks);
        }
    }
    ~Attention() { ggml_free(context); }

    void fill(ggml_tensor * tensor, int what, int64_t length, std::vector<float> & copy) {
        const int64_t      count = cells.size();
        std::vector<float> numbers(length);
        copy.resize(shape.key_heads * count * length);
        for (int64_t head = 0; head < shape.key_heads; head++) {
            for (int64_t cell = 0; cell < count; cell++) {
                for (int64_t at = 0; at < length; at++) numbers[at] = noise(what, cells[cell], head, at);
                char * to = (char *) tensor->data + cell * tensor->nb[1] + head * tensor->nb[2];
                ggml_quantize_chunk(shape.type, numbers.data(), to, 0, 1, length, nullptr);
                llama_native::convert_to_float(shape.type, to, copy.data() + (head * count + cell) * length, length);
            }
        }
    }

    // As [token][head][at].
    std::vector<float> run(int threads) {
        const int64_t   size = 4 * (64 * (shape.key_length + shape.value_length) * 2 + 2 * 64 * 64) + 64;
        std::vector<char> memory(threads * size + 64);
        ggml_threadpool   pool;
        pool.threads = threads;
        std::atomic<bool>        done{ true };
        std::vector<std::thread> workers;
        for (int i = 0; i < threads; i++) {
            workers.emplace_back([&, i] {
                ggml_compute_params params{};
                params.ith = i, params.nth = threads, params.wsize = threads * size, params.wdata = memory.data(), params.threadpool = &pool;
                if (!llama_native::attend(&params, out)) done = false;
            });
        }
        for (auto & worker : workers) worker.join();
        CHECK(done && table_is_full);
        const auto * data = (const float *) out->data;
        return std::vector<float>(data, data + ggml_nelements(out));
    }

    // What should come out for a token's head, in double precision.
    std::vector<double> expected(int64_t token, int64_t head) const {
        const int64_t       count = cells.size(), key_head = head / (shape.heads / shape.key_heads);
        const double        slope = shape.max_bias > 0 ? llama_native::attention(out).slope(head) : 1;
        std::vector<double> scores(count, -INFINITY);
        double              highest = sinks ? ((float *) sinks->data)[head] : -INFINITY, total = 0;
        for (int64_t cell = 0; cell < count; cell++) {
            double score = 0;
            for (int64_t i = 0; i < shape.key_length; i++) {
                score += (double) noise(1, tokens[token], head, i) * keys[(key_head * count + cell) * shape.key_length + i];
            }
            score /= sqrt(shape.key_length);
            if (shape.softcap > 0) score = shape.softcap * tanh(score / shape.softcap);
            scores[cell] = score + slope * ggml_fp16_to_fp32(((ggml_fp16_t *) mask->data)[token * count + cell]);
            highest      = fmax(highest, scores[cell]);
        }
        std::vector<double> sums(shape.value_length, 0);
        for (int64_t cell = 0; cell < count; cell++) {
            const double weight = scores[cell] == -INFINITY ? 0 : exp(scores[cell] - highest);
            total += weight;
            for (int64_t at = 0; at < shape.value_length; at++) {
                sums[at] += weight * values[(key_head * count + cell) * shape.value_length + at];
            }
        }
        if (sinks) total += exp(((float *) sinks->data)[head] - highest);
        for (double & sum : sums) sum = total == 0 ? 0 : sum / total;
        return sums;
    }
};

Places sequence(int which, int from, int to) {
    Places places;
    for (int position = from; position < to; position++) places.push_back({ which, position });
    return places;
}

Places operator+(Places a, const Places & b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

void check_accuracy(const Shape & shape, const Places & tokens, const Places & cells) {
    Attention       attention(shape, tokens, cells);
    const auto got = attention.run(2);
    double     worst = 0;
    for (size_t row = 0; row < got.size() / shape.value_length; row++) {
        const std::vector<double> expected = attention.expected(row / shape.heads, row % shape.heads);
        for (int64_t at = 0; at < shape.value_length; at++) {
            const float number = got[row * shape.value_length + at];
            worst = fmax(worst, fabs(number - expected[at]));
            if (std::isnan(number)) worst = INFINITY;
        }
    }
    CHECK(worst < 3e-6);
}

const Places cache = sequence(0, 0, 150) + sequence(-1, 0, 70) + sequence(1, 0, 90) + sequence(2, 0, 33) + sequence(-1, 0, 41);
const Places prompt_and_tokens = sequence(0, 149, 150) + sequence(1, 10, 90) + sequence(2, 32, 33);

}  // namespace

TEST("attention is exact to single precision for every type of cache and shape of heads") {
    for (ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q5_1 }) {
        check_accuracy({ type }, prompt_and_tokens, cache);
    }
    check_accuracy({ GGML_TYPE_F16, 128, 128, 8, 2 }, prompt_and_tokens, cache);
    check_accuracy({ GGML_TYPE_F16, 80, 80, 3, 3 }, prompt_and_tokens, cache);
    check_accuracy({ GGML_TYPE_F16, 36, 20, 6, 2 }, prompt_and_tokens, cache);
    check_accuracy({ GGML_TYPE_F16, 192, 128, 80, 1 }, sequence(1, 86, 90), cache);
    check_accuracy({ GGML_TYPE_F16, 64, 64, 1, 1 }, sequence(0, 149, 150), cache);
}

TEST("attention applies ALiBi, soft capping and sinks") {
    check_accuracy({ GGML_TYPE_F16, 64, 64, 6, 2, 8 }, prompt_and_tokens, cache);
    check_accuracy({ GGML_TYPE_F16, 64, 64, 4, 2, 0, 5 }, prompt_and_tokens, cache);
    check_accuracy({ GGML_TYPE_F16, 64, 64, 4, 2, 0, 0, true }, prompt_and_tokens, cache);
}

TEST("a token that sees nothing gets zeros") {
    const Shape  shape;
    const Places tokens = sequence(7, 0, 1) + sequence(0, 5, 6);
    Attention         attention(shape, tokens, cache);
    const auto   got = attention.run(1);
    for (int64_t i = 0; i < shape.value_length * shape.heads; i++) EQUAL(got[i], 0.0f);
    CHECK(got.back() != 0);
}

TEST("what a token gets does not depend on its batch, its cells' places or the threads, to the bit") {
    // Heads whose lengths leave a rest of vectors, too.
    const Shape kinds[] = { { GGML_TYPE_F16, 64, 64 }, { GGML_TYPE_Q8_0, 64, 64 }, { GGML_TYPE_F16, 36, 20 } };
    for (Shape shape : kinds) {
        for (int64_t key_heads : { 1, 2, 6 }) {
            shape.heads = 6, shape.key_heads = key_heads;
            const auto  alone_in = sequence(-1, 0, 3) + sequence(1, 0, 90);
            const auto  batch    = Attention(shape, prompt_and_tokens, cache).run(3);
            for (int position : { 10, 11, 47, 89 }) {
                const Places token = sequence(1, position, position + 1);
                const auto   alone = Attention(shape, token, alone_in).run(1);
                const auto   at    = batch.begin() + (1 + position - 10) * shape.heads * shape.value_length;
                CHECK(std::equal(alone.begin(), alone.end(), at));
            }
        }
    }
}

// Has ggml's repack.cpp, in whose midst this is included, repack weights of the types of legacy_quants.h and multiply with them.

#if defined(__AVX2__)

namespace llama_native {

template <class Block> class legacy_traits : public ggml::cpu::repack::tensor_traits_base {
    bool work_size(int, const ggml_tensor * op, size_t & size) override {
        if (op->op != GGML_OP_MUL_MAT) return false;
        size = static_cast<size_t>(ggml_nelements(op->src[1]) / 32) * sizeof(eight_bit_block);
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        if (op->op != GGML_OP_MUL_MAT) return false;
        quantize_share(*params, *op->src[1]);
        if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
        ggml_barrier(params->threadpool);
        multiply_shares(*params, *op);
        return true;
    }

    int repack(ggml_tensor * tensor, const void * data, size_t size) override {
        GGML_ASSERT(size == ggml_nbytes(tensor));
        const int64_t nb   = tensor->ne[0] / 32;
        const auto *  from = static_cast<const Block *>(data);
        auto *        to   = static_cast<eight_rows<Block> *>(tensor->data);
        for (int64_t row = 0; row < tensor->ne[1]; row++) {
            for (int64_t block = 0; block < nb; block++) repack_block(to[row / 8 * nb + block], from[row * nb + block], static_cast<int>(row % 8));
        }
        return 0;
    }

    // Blocks of 32 activations, so that a single token's are shared too.
    static void quantize_share(const ggml_compute_params & params, const ggml_tensor & activations) {
        auto *        to = static_cast<eight_bit_block *>(params.wdata);
        const int64_t nb = activations.ne[0] / 32, all = nb * ggml_nrows(&activations);
        for (int64_t at = all * params.ith / params.nth; at < all * (params.ith + 1) / params.nth; at++) {
            const int64_t row = at / nb, i1 = row % activations.ne[1], i2 = row / activations.ne[1] % activations.ne[2];
            const int64_t i3  = row / activations.ne[1] / activations.ne[2];
            const char *  from = static_cast<const char *>(activations.data) + i1 * activations.nb[1] + i2 * activations.nb[2] + i3 * activations.nb[3];
            quantize(reinterpret_cast<const float *>(from) + at % nb * 32, to[at]);
        }
    }

    // Four shares of rows for each thread, as ggml has them, so that one that lost its core does not keep the others.
    static void multiply_shares(const ggml_compute_params & params, ggml_tensor & out) {
        const ggml_tensor & weights = *out.src[0];
        const auto *        tokens  = static_cast<const eight_bit_block *>(params.wdata);
        const int64_t       nb = weights.ne[0] / 32, groups = weights.ne[1] / 8;
        const int64_t       shares = params.nth == 1 ? 1 : std::min<int64_t>(groups, params.nth * 4);
        for (int64_t share = params.ith; share < shares; share = ggml_threadpool_chunk_add(params.threadpool, 1)) {
            const int64_t first = groups * share / shares, end = groups * (share + 1) / shares;
            for (int64_t plane = 0; plane < out.ne[2] * out.ne[3]; plane++) {
                char * to = static_cast<char *>(out.data) + plane % out.ne[2] * out.nb[2] + plane / out.ne[2] * out.nb[3];
                multiply_legacy<Block>(static_cast<const eight_rows<Block> *>(weights.data) + first * nb, tokens + plane * out.ne[1] * nb,
                    static_cast<int>(nb), static_cast<int>(out.ne[1]), static_cast<int>((end - first) * 8),
                    reinterpret_cast<float *>(to) + first * 8, out.nb[1] / sizeof(float));
            }
        }
    }
};

} // namespace llama_native

#endif

namespace llama_native {

// For products with one matrix of weights; mixtures of experts have several, which are left to ggml.
static const ggml::cpu::tensor_traits * legacy_traits_of(const ggml_tensor * weights) {
#if defined(__AVX2__)
    static const legacy_traits<block_q4_0>   q4_0;
    static const legacy_traits<block_q4_1>   q4_1;
    static const legacy_traits<block_q5_0>   q5_0;
    static const legacy_traits<block_q5_1>   q5_1;
    static const legacy_traits<block_q8_0>   q8_0;
    static const legacy_traits<block_iq4_nl> iq4_nl;
    if (ggml_n_dims(weights) > 2 || weights->ne[1] % 8 != 0) return nullptr;
    switch (weights->type) {
        case GGML_TYPE_Q4_0: return &q4_0;
        case GGML_TYPE_Q4_1: return &q4_1;
        case GGML_TYPE_Q5_0: return &q5_0;
        case GGML_TYPE_Q5_1: return &q5_1;
        case GGML_TYPE_Q8_0: return &q8_0;
        case GGML_TYPE_IQ4_NL: return &iq4_nl;
        default: return nullptr;
    }
#else
    (void) weights;
    return nullptr;
#endif
}

} // namespace llama_native

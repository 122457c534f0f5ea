# What is changed in llama.cpp, and why.

include(${CMAKE_CURRENT_LIST_DIR}/patch_source.cmake)

function(patch_llama_cpp)
  # ggml's CPU threads wait patiently for each other.
  #
  # Between two tensor operations ggml's threads meet at a barrier, hundreds of times a token, and spin there without end.
  # On a machine that is busy with anything else - the JS thread, another process - the thread they wait for may have lost
  # its core to the scheduler; then the spinning ones burn the very cores it needs, for whole time slices, at every barrier.
  # A model of 125M parameters then decodes 1 token a second instead of 100. So: spin for longer than any usual wait, then
  # sleep in short naps, which gives the core to the late thread or lets another core take it.
  patch_source(ggml-cpu ggml-cpu.c patient_barrier.h
    "    // wait for other threads\n" "    // wait for other threads\n    struct llama_native_wait wait = { 0, 0 }\\;\n"
    "n_passed) {\n        ggml_thread_cpu_relax()\\;\n    }\n" "n_passed) {\n        llama_native_wait(&wait)\\;\n    }\n")

  # Weights and KV caches lie in huge pages where the system has them for whoever asks (Linux). Every token reads all of
  # the weights; in pages of 4 KiB that takes a look-up of a page for each few rows, and in a virtual machine each look-up
  # is many.
  patch_source(ggml-base ggml.c huge_pages.h
    "int result = posix_memalign(&aligned_memory, alignment, size)\\;" "int result = llama_native_allocate(&aligned_memory, alignment, size)\\;")

  # Attention passes quickly over the cells of other sequences.
  #
  # All sequences of a context share one KV cache, so that prompts with the same beginning share its cells, and each token's
  # mask excludes the cells of all others. ggml converts the mask cell by cell, again for every head, only to find that most
  # of them are to be skipped. Here sixteen cells are compared at once, and for prompts all heads share what was found.
  #
  # And heads that share keys and values follow each other for each token: ggml goes through all tokens of a head first, of
  # all sequences, and finds nothing of a sequence in the processor's cache when its next head comes.
  #
  # Keys are turned into columns eight at a time; one by one, that took a quarter of the time of attention by tiles.
  patch_source(ggml-cpu ops.cpp attention.h
    "        const int iq2 = (ir - iq3*neq2*neq1)/neq1\\;\n        const int iq1 = (ir - iq3*neq2*neq1 - iq2*neq1)\\;\n
        const uint32_t h = iq2\\; // head index\n"
    "        const int in_stream = ir - iq3*neq2*neq1, in_group = in_stream % (rk2*neq1)\\;
        const int iq2 = in_stream/(rk2*neq1)*rk2 + in_group % rk2\\;
        const int iq1 = in_group/rk2\\;\n
        const uint32_t h = iq2\\; // head index\n"
    "ic < ic_end\\; ++ic) {\n"
    "ic < ic_end\\; ++ic) {\n            if (mp && (ic = llama_native_next_unmasked(mp, ic, ic_end)) == ic_end) break\\;\n"
    "        bool use_tiled = !use_ref &&\n" "        llama_native_begin_attention()\\;\n        bool use_tiled = !use_ref &&\n"
    "            for (int tk = 0\\; tk < kv_tile\\; tk++) {\n                const char * k_data = (const char *)k->data"
    "            const char * keys = (const char *)k->data + ic*nbk1 + ik2*nbk2 + ik3*nbk3\\;
            const int packed = kv_type == GGML_TYPE_F16 ? llama_native_pack_keys(K_f32, keys, nbk1, kv_tile, DK, KV_TILE_SZ, ggml_cpu_fp16_to_fp32) : 0\\;
            for (int tk = packed\\; tk < kv_tile\\; tk++) {\n                const char * k_data = (const char *)k->data"
    "K_f32, Q_TILE_SZ, DK, KV_TILE_SZ)\\;" "K_f32, tile_rows, DK, KV_TILE_SZ)\\;"
    "V32, Q_TILE_SZ, KV_TILE_SZ, DV)\\;" "V32, tile_rows, KV_TILE_SZ, DV)\\;"
    "            for (int tq = 0\\; tq < Q_TILE_SZ\\; tq++) {\n                float * kq_row" "            for (int tq = 0\\; tq < tile_rows\\; tq++) {\n                float * kq_row"
    "        for (int64_t ic = 0\\; ic < nek1\\; ic += KV_TILE_SZ) {\n"
    "        const std::vector<bool> * masked_tiles = mask ? &llama_native_find_masked_tiles((const char *) mask->data + iq1*mask->nb[1] +
            (iq2%mask->ne[2])*mask->nb[2] + (iq3%mask->ne[3])*mask->nb[3], mask->nb[1], tile_rows, nek1, KV_TILE_SZ) : nullptr\\;
        for (int64_t ic = 0\\; ic < nek1\\; ic += KV_TILE_SZ) {
            if (masked_tiles && (*masked_tiles)[ic/KV_TILE_SZ]) continue\\;\n")
endfunction()

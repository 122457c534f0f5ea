# What is changed in llama.cpp, and why.

include(${CMAKE_CURRENT_LIST_DIR}/patch_source.cmake)

function(patch_llama_cpp)
  # ggml's CPU backend is one target, or one for each kind of CPU.
  get_property(cpu DIRECTORY "${LLAMA_NATIVE_LLAMA_DIR}/ggml/src" PROPERTY BUILDSYSTEM_TARGETS)
  list(FILTER cpu INCLUDE REGEX "^ggml-cpu")
  list(FILTER cpu EXCLUDE REGEX "-feats$")

  # ggml's CPU threads wait patiently for each other.
  #
  # Between two tensor operations ggml's threads meet at a barrier, hundreds of times a token, and spin there without end.
  # On a machine that is busy with anything else - the JS thread, another process - the thread they wait for may have lost
  # its core to the scheduler; then the spinning ones burn the very cores it needs, for whole time slices, at every barrier.
  # A model of 125M parameters then decodes 1 token a second instead of 100. So: spin for longer than any usual wait, then
  # sleep in short naps, which gives the core to the late thread or lets another core take it.
  patch_source("${cpu}" ggml-cpu.c patient_barrier.h
    "    // wait for other threads\n" "    // wait for other threads\n    struct llama_native_wait wait = { 0, 0 }\\;\n"
    "n_passed) {\n        ggml_thread_cpu_relax()\\;\n    }\n" "n_passed) {\n        llama_native_wait(&wait)\\;\n    }\n")

  # Weights and KV caches lie in huge pages where the system has them for whoever asks (Linux). Every token reads all of
  # the weights; in pages of 4 KiB that takes a look-up of a page for each few rows, and in a virtual machine each look-up
  # is many.
  patch_source(ggml-base ggml.c huge_pages.h
    "int result = posix_memalign(&aligned_memory, alignment, size)\\;" "int result = llama_native_allocate(&aligned_memory, alignment, size)\\;")

  # Embeddings are made without logits, see the header.
  patch_source(llama llama-model.cpp embeddings.h
    "    // add on pooling layer\n" "    llama_native_drop_logits(llm->res, params.cparams)\;\n    // add on pooling layer\n")
  patch_source(llama llama-context.cpp ""
    "bool has_logits     = true\;" "bool has_logits     = !cparams.embeddings || cparams.pooling_type == LLAMA_POOLING_TYPE_NONE\;")

  # Grammars have limits, see the header; and what the check for left recursion has found out of a rule it does not look for again.
  set(in_progress "    if ((*rules_in_progress)[rule_index]) {\n        return true\\;\n    }\n")
  set(is_new "if (std::find(new_stacks.begin(), new_stacks.end(), curr_stack) == new_stacks.end())")
  set(survives "if (std::find(stacks_new.begin(), stacks_new.end(), surviving_stack) == stacks_new.end())")
  patch_source(llama llama-grammar.cpp grammar_limits.h
    "${in_progress}" "${in_progress}    if ((*rules_visited)[rule_index]) return false\\;\n    const llama_native::FirstRule nested\\;\n"
    "todo.push_back(std::move(next_stack))\\;"
    "llama_native::spend_grammar_work(64 * (next_stack.size() + 1))\\;\n                todo.push_back(std::move(next_stack))\\;"
    "${is_new}" "llama_native::spend_on_comparing(new_stacks.size(), curr_stack.size())\\;\n            ${is_new}"
    "${survives}" "llama_native::spend_on_comparing(stacks_new.size(), surviving_stack.size())\\;\n                ${survives}")

  # AMX works whatever the compiler; see the header.
  patch_source("${cpu}" mmq.cpp tile_config.h)

  # What a token gets does not depend, to the bit, on who shares its batch.
  #
  # Sums in another order differ in their last bit, the next layer rounds its input to eight bits, and one number in many then
  # falls to another side: a greedy answer changes with the company it is computed in. Attention is therefore llama-native's
  # own, see attention.h, and so are products with repacked weights on x86, see k_quants.h and legacy_quants.h. Those of type
  # Q2_K go through the same sums one token at a time (gemv) as four at a time (gemm): ggml scales the former once a block of
  # 256, the latter once in 64.
  #
  # Attention is also several times as fast. All sequences of a context share one KV cache, so that prompts with the same
  # beginning share its cells; ggml visits the cells of all sequences for each token and head, and has no matrix products for
  # less than 64 tokens or for quantized caches.
  patch_source("${cpu}" ops.cpp attention.h
    "                ggml_compute_forward_flash_attn_ext_f16(params, dst)\\;"
    "                if (!llama_native::attend(params, dst)) ggml_compute_forward_flash_attn_ext_f16(params, dst)\\;")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(kernels "")
    foreach(type q4_K q5_K q6_K)
      set(gemv "ggml_gemv_${type}_8x8_q8_K(n, s, bs, vx, vy, nr, nc)")
      set(gemm "ggml_gemm_${type}_8x8_q8_K(n, s, bs, vx, vy, nr, nc)")
      list(APPEND kernels
        "    ${gemv}" "    llama_native::gemv<block_${type}, 8, 8>(n, s, 0, vx, vy, 1, nc) ? (void) 0 : ${gemv}"
        "    ${gemm}" "    llama_native::gemm<block_${type}>(n, s, bs, vx, vy, nr, nc) ? (void) 0 : ${gemm}")
    endforeach()
    set(choice "static const ggml::cpu::tensor_traits * ggml_repack_get_optimal_repack_type(const struct ggml_tensor * cur)")
    set(neon "ggml_cpu_has_neon() && ggml_cpu_has_matmul_int8()")
    set(rest "nrows - (nrows % 4)")
    patch_source("${cpu}" repack.cpp x86_quants.h ${kernels}
      "(cur->type == GGML_TYPE_Q5_K) {\n        if (${neon})" "(cur->type == GGML_TYPE_Q5_K) {\n        if (ggml_cpu_has_avx2() || (${neon}))"
      "(cur->type == GGML_TYPE_Q6_K) {\n        if (${neon})" "(cur->type == GGML_TYPE_Q6_K) {\n        if (ggml_cpu_has_avx2() || (${neon}))"
      "${choice} {\n" "#include \"legacy_traits.h\"\n${choice} {\n    if (const auto * own = llama_native::legacy_traits_of(cur)) return own\\;\n"
      # The one to three tokens that are left over, at once.
      "for (int iter = ${rest}" "for (int iter = ${rest} + llama_native::gemv<BLOC_TYPE, INTER_SIZE, NB_COLS>(ne00,
            (float *) (dst_ptr + (${rest}) * nb1) + src0_start, nb1 / nb0, src0_ptr + src0_start * nb01,
            src1_ptr + src1_col_stride * (${rest}), nrows % 4, ncols)")
    set(add "_mm256_fmadd_ps(_mm256_cvtepi32_ps(")
    set(scales "), _mm256_mul_ps(col_scale_f32, row_scale_f32), acc_row)\\;")
    set(minimums "), _mm256_mul_ps(col_dmin_f32, row_scale_f32), acc_min_rows)\\;")
    patch_source("${cpu}" arch/x86/repack.cpp ""
      "acc_row = ${add}iacc_b${scales}" ""
      "acc_min_rows = ${add}iacc_min_b${minimums}" ""
      "iacc_b = _mm256_add_epi32(iacc_b, iacc_sb)\\;" "acc_row = ${add}iacc_sb${scales}"
      "iacc_min_b = _mm256_add_epi32(iacc_min_b, iacc_min_sb)\\;" "acc_min_rows = ${add}iacc_min_sb${minimums}")
  endif()

  # GPUs of an architecture that was not compiled for are left out; see the header.
  foreach(target ggml-cuda ggml-hip)
    if(TARGET ${target})
      patch_source(${target} ggml-cuda.cu cuda_kernels.h
        "ggml_backend_reg_dev_get(ggml_backend_cuda_reg()," "llama_native::device_of(ggml_backend_cuda_reg(),"
        "ctx->devices.push_back(dev)\\;"
        "llama_native::remember(i, dev)\\;
                if (llama_native::has_kernels(physical_id)) ctx->devices.push_back(dev)\\;")
    endif()
  endforeach()
endfunction()

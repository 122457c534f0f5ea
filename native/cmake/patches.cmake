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
endfunction()

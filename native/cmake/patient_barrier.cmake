# Makes ggml's CPU threads wait patiently for each other.
#
# Between two tensor operations ggml's threads meet at a barrier, hundreds of times a token, and spin there without end.
# On a machine that is busy with anything else - the JS thread, another process - the thread they wait for may have lost
# its core to the scheduler; then the spinning ones burn the very cores it needs, for whole time slices, at every barrier.
# A model of 125M parameters then decodes 1 token a second instead of 100. So: spin for a moment (the usual wait is a few
# microseconds), then sleep in short naps, which gives the core to the late thread or lets another core take it.
#
# llama.cpp has no option for it, so its source is changed on the way into the build, not in place. The build fails where
# the text to replace is not found, as after an upgrade.
function(make_barrier_patient target)
  get_target_property(sources ${target} SOURCES)
  get_target_property(source_dir ${target} SOURCE_DIR)
  list(FILTER sources INCLUDE REGEX "(^|/)ggml-cpu\\.c$")
  list(GET sources 0 original)
  cmake_path(ABSOLUTE_PATH original BASE_DIRECTORY ${source_dir} OUTPUT_VARIABLE path)

  file(READ ${path} text)
  set(impatient "n_passed) {\n        ggml_thread_cpu_relax();\n    }\n")
  string(FIND "${text}" "${impatient}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "The barrier of ${path} is not as expected; see native/cmake/patient_barrier.cmake")
  endif()
  string(REPLACE "${impatient}" "n_passed) {\n        llama_native_wait(waited++);\n    }\n    llama_native_waited(waited);\n" text "${text}")
  string(REPLACE "    // wait for other threads\n" "    // wait for other threads\n    unsigned waited = 0;\n" text "${text}")
  set(patched ${CMAKE_CURRENT_BINARY_DIR}/patched/ggml-cpu.c)
  file(CONFIGURE OUTPUT ${patched} CONTENT "#include \"patient_barrier.h\"\n#line 1 \"${path}\"\n@text@" @ONLY)

  get_target_property(sources ${target} SOURCES)
  list(REMOVE_ITEM sources ${original})
  set_target_properties(${target} PROPERTIES SOURCES "${sources}")
  target_sources(${target} PRIVATE ${patched})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR} ${source_dir}/ggml-cpu)
endfunction()

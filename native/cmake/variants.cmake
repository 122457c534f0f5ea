# ggml for a package that runs on any machine: its kernels for each kind of CPU are libraries of their own beside the addon,
# each of which knows whether this machine can run it and how well (ggml's GGML_CPU_ALL_VARIANTS). core/kernels.cpp loads the
# best. What kernels and addon share, ggml-base and ggml, are libraries too, since both sides link to them.
#
# Their names tell version and backend: a system's loader takes a library that it has by name, so that two of these packages in
# one process, or another one that brings ggml, would else share one.

function(add_ggml_with_variants)
  set(GGML_BACKEND_DL ON CACHE BOOL "" FORCE)
  set(GGML_CPU_ALL_VARIANTS ON CACHE BOOL "" FORCE)
  # What llama.cpp's own CMakeLists.txt says, which finds ggml already there.
  set(GGML_LLAMAFILE_DEFAULT ON)
  set(GGML_CUDA_GRAPHS_DEFAULT ON)
  set(BUILD_SHARED_LIBS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
  add_subdirectory("${LLAMA_NATIVE_LLAMA_DIR}/ggml" ggml EXCLUDE_FROM_ALL)

  get_property(targets DIRECTORY "${LLAMA_NATIVE_LLAMA_DIR}/ggml/src" PROPERTY BUILDSYSTEM_TARGETS)
  if(NOT LLAMA_NATIVE_BACKEND STREQUAL "cpu")
    # ggml has a folder for each kind of GPU.
    get_property(gpu_targets DIRECTORY "${LLAMA_NATIVE_LLAMA_DIR}/ggml/src/ggml-${LLAMA_NATIVE_BACKEND}"
      PROPERTY BUILDSYSTEM_TARGETS)
  endif()
  foreach(target IN LISTS targets gpu_targets)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "SHARED_LIBRARY" OR type STREQUAL "MODULE_LIBRARY")
      make_portable(${target})
    endif()
  endforeach()
  foreach(name ggml ggml-base)
    set_target_properties(${name} PROPERTIES OUTPUT_NAME llama-native-${LLAMA_NATIVE_VERSION}-${LLAMA_NATIVE_BACKEND}-${name})
    if(MINGW)
      target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/mingw_exports.c)
    endif()
  endforeach()
  # Before a kernel's library is chosen, it is asked whether it runs here.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(FILTER targets INCLUDE REGEX "^ggml-cpu-.*-feats$")
    patch_source("${targets}" cpu-feats.cpp saved_registers.h
      "    int score = 1\\;\n" "    if (!llama_native_saves_registers()) return 0\\;\n    int score = 1\\;\n")
  endif()
endfunction()

# Of the kinds of CPU in ggml's list, those whose instructions this compiler does not know: GCC 12 has none of SME. Their targets
# stay, since that of ggml depends on them, but are of nothing, by a name that no package takes; a better CPU then uses the kernels
# of the next lesser kind. After patch_llama_cpp(), which changes their sources.
function(leave_out_unknown_variants)
  include(CheckCXXCompilerFlag)
  get_property(variants DIRECTORY "${LLAMA_NATIVE_LLAMA_DIR}/ggml/src" PROPERTY BUILDSYSTEM_TARGETS)
  list(FILTER variants INCLUDE REGEX "^ggml-cpu-")
  list(FILTER variants EXCLUDE REGEX "-feats$")
  set(nothing ${CMAKE_CURRENT_BINARY_DIR}/nothing.c)
  file(CONFIGURE OUTPUT ${nothing} CONTENT "extern int llama_native_nothing;\n" @ONLY)
  foreach(variant IN LISTS variants)
    get_target_property(flags ${variant} COMPILE_OPTIONS)
    list(FILTER flags INCLUDE REGEX "^-m")
    list(JOIN flags " " flags)
    string(MAKE_C_IDENTIFIER "LLAMA_NATIVE_KNOWS_${variant}" known)
    check_cxx_compiler_flag("${flags}" ${known})
    if(NOT ${known})
      message(STATUS "Without ${variant}: ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} does not know ${flags}")
      set_target_properties(${variant} PROPERTIES SOURCES ${nothing} COMPILE_OPTIONS "" LINK_LIBRARIES "" PREFIX "without-")
    endif()
  endforeach()
endfunction()

# What is not where a token's time goes, with less code for the same work: the builders of a hundred architectures' graphs, which run
# once for each shape of a graph, what loads models, and what only puts caches together. After patch_llama_cpp().
function(compile_for_size)
  if(MSVC)
    return()
  endif()
  set(cold "adapter|arch|chat|context|impl|kv-cache-.+|memory-.+|mmap|model|model-loader|model-saver|quant")
  # Options of a single file would take it out of llama.cpp's unity build, where only the builders are.
  target_compile_options(llama PRIVATE $<$<CONFIG:Release>:-Os>)
  get_target_property(sources llama SOURCES)
  get_target_property(source_dir llama SOURCE_DIR)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${source_dir})
    get_source_file_property(is_alone ${source} DIRECTORY ${source_dir} SKIP_UNITY_BUILD_INCLUSION)
    if(is_alone AND NOT source MATCHES "/llama(-(${cold}))?\\.cpp$")
      set_source_files_properties(${source} DIRECTORY ${source_dir} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
    endif()
  endforeach()
endfunction()

# A library that lies beside those it needs, needs no more of the system than it must, and tells nothing of the machine that
# built it.
function(make_portable target)
  # Packages of npm have no symbolic links, which versions would become.
  set_property(TARGET ${target} PROPERTY VERSION)
  set_property(TARGET ${target} PROPERTY SOVERSION)
  set_target_properties(${target} PROPERTIES BUILD_WITH_INSTALL_RPATH ON)
  if(APPLE)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "@loader_path" INSTALL_NAME_DIR "@rpath")
    target_link_options(${target} PRIVATE -Wl,-dead_strip $<$<CONFIG:Release>:-Wl,-x>)
  elseif(NOT MSVC)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN")
    # Calls within a library stay there: C++ templates are visible whatever the compiler is told, and Node has some of its own.
    target_link_options(${target} PRIVATE -Wl,--gc-sections ${LLAMA_NATIVE_EXCLUDE_LIBS} $<$<NOT:$<BOOL:${WIN32}>>:-Wl,-Bsymbolic>
      ${LLAMA_NATIVE_STATIC_RUNTIME} $<$<CONFIG:Release>:-s>)
    target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/no_demangler.c)
  endif()
endfunction()

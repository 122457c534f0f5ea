# What some compilers and linkers do without, asked of these.

include(CheckCXXCompilerFlag)
include(CheckLinkerFlag)

# LLAMA_NATIVE_THIS_CPU: for this machine's instruction set. Clang before 15 knows no -march=native for ARM, and GCC none for POWER.
set(LLAMA_NATIVE_THIS_CPU "")
foreach(option march mcpu)
  if(NOT LLAMA_NATIVE_THIS_CPU)
    check_cxx_compiler_flag(-${option}=native LLAMA_NATIVE_KNOWS_${option})
    if(LLAMA_NATIVE_KNOWS_${option})
      set(LLAMA_NATIVE_THIS_CPU -${option}=native)
    endif()
  endif()
endforeach()

set(LLAMA_NATIVE_EXCLUDE_LIBS "")
set(LLAMA_NATIVE_STATIC_RUNTIME "")
if(NOT MSVC AND NOT APPLE)
  # Libraries that are linked in stay out of sight; Zig's linker has no such option, and its C++ library is so by itself.
  check_linker_flag(CXX "-Wl,--exclude-libs,ALL" LLAMA_NATIVE_KNOWS_EXCLUDE_LIBS)
  if(LLAMA_NATIVE_KNOWS_EXCLUDE_LIBS)
    set(LLAMA_NATIVE_EXCLUDE_LIBS "-Wl,--exclude-libs,ALL")
  endif()
  # The C++ runtime comes along, so that the addon runs on older systems than it was built on. Fedora and its kin have libstdc++ for
  # that in a package which their compiler does not bring; an addon that stays on the machine then does with the system's.
  check_linker_flag(CXX "-static-libstdc++" LLAMA_NATIVE_LINKS_STATIC_LIBSTDCXX)
  if(LLAMA_NATIVE_LINKS_STATIC_LIBSTDCXX OR LLAMA_NATIVE_VARIANTS)
    set(LLAMA_NATIVE_STATIC_RUNTIME -static-libstdc++ -static-libgcc)
  endif()
endif()

# Messages name source files: not by where the machine that compiles has them.
#
# Visual Studio's own compiler takes a folder's name off where it is spelled as in the file's, by a generator's project or in the
# #line of a patched file (patch_source.cmake); what is left begins with a separator.
function(name_sources_briefly folder name)
  if(NOT MSVC)
    add_compile_options("-ffile-prefix-map=${folder}=${name}")
    return()
  endif()
  file(TO_NATIVE_PATH "${folder}" native)
  foreach(spelled IN ITEMS "${folder}" "${native}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL "MSVC")
      set(option "/d1trimfile:${spelled}")
    else()
      set(option "/clang:-ffile-prefix-map=${spelled}=${name}")
    endif()
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${option}>")
  endforeach()
endfunction()

// For a library that others link to, by a linker of MinGW's kind, which exports what is not hidden: of the objects that begin
// every library and unwind its stack too, and whoever links to it then finds two of each. (Zig's does not know them by their names.)
__asm__(".section .drectve,\"yn\"\n"
        ".ascii \" -exclude-symbols:atexit,_CRT_INIT,__mingw_module_is_dll,__unw_getcontext,unw_getcontext\"\n"
        ".text\n");

#include <stddef.h>

// In place of the C++ runtime's own, in libraries that have that runtime inside: it is 60 to 170 kB of each, and all that uses it is
// the message of an exception that nobody caught, which now tells the type as the compiler writes it. To be linked before the
// runtime's archive, which is then not asked for it.
#ifndef _WIN32
__attribute__((visibility("hidden")))
#endif
char * __cxa_demangle(const char * name, char * buffer, size_t * length, int * status);

char * __cxa_demangle(const char * name, char * buffer, size_t * length, int * status) {
    (void) name;
    (void) buffer;
    (void) length;
    if (status) *status = -2;  // not a name that it knows
    return NULL;
}

// A library that has the name of CUDA's runtime and its version, and none of the functions.

void nothing(void) {}

// The header compiles as C++, and its symbols are found.
#include "astroml.h"

#include <cstdio>

int main() {
    if (astroml_abi() != ASTROML_ABI || astroml_job_cancel(1) != ASTROML_EINVAL) {
        std::printf("C++: FAILED: %s\n", astroml_last_error());
        return 1;
    }
    std::printf("C++: ok, goastroml %s\n", astroml_version());
}

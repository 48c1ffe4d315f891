#include <stddef.h>

void set_last_error(const char *text, size_t size);
const char *get_last_error(void);

//go:build cgo

#include "lasterror.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Calls from C run on the thread that made them, so the thread is the place for
 * its last error. _Thread_local will not do: Go's shared libraries take it from
 * the small block that is laid out at start, which has no room for a text. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_key(void) { pthread_key_create(&key, free); }

void set_last_error(const char *text, size_t size) {
    pthread_once(&once, make_key);
    char *old = pthread_getspecific(key);
    char *new = malloc(size + 1);
    if (new != NULL) {
        memcpy(new, text, size);
        new[size] = 0;
    }
    pthread_setspecific(key, new);
    free(old);
}

const char *get_last_error(void) {
    pthread_once(&once, make_key);
    const char *text = pthread_getspecific(key);
    return text != NULL ? text : "";
}

/* Preloaded into a test program: counts what the process asks of the C library, and makes name lookups slow.
 * The counts are read by the program through dlsym. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

atomic_long count_getenv, count_threads, count_allocations, count_lookups;
static long lookup_ms;

__attribute__((constructor)) static void start(void) {
    static const char name[] = "FIREHOSE_TEST_LOOKUP_MS=";
    for (char **e = environ; *e != NULL; e++)
        if (strncmp(*e, name, sizeof name - 1) == 0) lookup_ms = atol(*e + sizeof name - 1);
}

static char *look(const char *name) {
    const size_t len = strlen(name);
    atomic_fetch_add(&count_getenv, 1);
    for (char **e = environ; e != NULL && *e != NULL; e++)
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=') return *e + len + 1;
    return NULL;
}

char *getenv(const char *name) { return look(name); }
char *secure_getenv(const char *name) { return look(name); }

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start_routine)(void *), void *arg) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    atomic_fetch_add(&count_threads, 1);
    return real(thread, attr, start_routine, arg);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&count_lookups, 1);
    if (lookup_ms > 0) usleep((useconds_t)lookup_ms * 1000);
    return real(node, service, hints, res);
}

void *malloc(size_t size) {
    atomic_fetch_add(&count_allocations, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    atomic_fetch_add(&count_allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    atomic_fetch_add(&count_allocations, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add(&count_allocations, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    atomic_fetch_add(&count_allocations, 1);
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? 12 : 0;
}

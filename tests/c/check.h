/* What every test program shares: checks that say where they failed, and a client made from the environment. */
#ifndef FIREHOSE_CHECK_H
#define FIREHOSE_CHECK_H

#include <dirent.h>
#include <firehose.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAIL(...)                                                                                                     \
    do {                                                                                                              \
        printf("not ok: %s:%d: ", __FILE__, __LINE__);                                                                \
        printf(__VA_ARGS__);                                                                                          \
        putchar('\n');                                                                                                \
        fflush(stdout);                                                                                               \
        _exit(1);                                                                                                     \
    } while (0)

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) FAIL("%s", #condition);                                                                     \
    } while (0)

/* A status that is another than expected is printed with what the result says. */
#define CHECK_STATUS(expected, call, result)                                                                          \
    do {                                                                                                              \
        int32_t got_ = (call);                                                                                        \
        if (got_ != (expected))                                                                                       \
            FAIL("%s: %s instead of %s: %s", #call, firehose_status_name(got_), #expected,                            \
                 firehose_result_message(result));                                                                    \
    } while (0)

#define CHECK_CONTAINS(text, part)                                                                                    \
    do {                                                                                                              \
        const char *text_ = (text), *part_ = (part);                                                                  \
        if (strstr(text_, part_) == NULL) FAIL("\"%s\" does not say \"%s\"", text_, part_);                           \
    } while (0)

static inline const char *required(const char *name) {
    const char *value = getenv(name);
    if (value == NULL || *value == '\0') FAIL("the environment has no %s", name);
    return value;
}

static inline const char *test_stream(void) { return required("FIREHOSE_TEST_STREAM"); }

/* Counts of long loops shrink under valgrind: FIREHOSE_TEST_SCALE is a percentage. */
static inline int scaled(int count) {
    const char *scale = getenv("FIREHOSE_TEST_SCALE");
    long percent = scale == NULL ? 100 : strtol(scale, NULL, 10);
    int result = (int)(count * percent / 100);
    return result < 1 ? 1 : result;
}

/* A client of the test's endpoint; then pairs of option and value, and NULL. */
static inline firehose_client *new_client(const char *name, ...) {
    firehose_config *config = firehose_config_new();
    firehose_result *result = firehose_result_new();
    firehose_client *client = NULL;
    va_list options;
    CHECK(config != NULL && result != NULL);
    CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, "endpoint", required("FIREHOSE_TEST_ENDPOINT"), result),
                 result);
    va_start(options, name);
    for (; name != NULL; name = va_arg(options, const char *)) {
        const char *value = va_arg(options, const char *);
        CHECK_STATUS(FIREHOSE_OK, firehose_config_set(config, name, value, result), result);
    }
    va_end(options);
    CHECK_STATUS(FIREHOSE_OK, firehose_client_new(config, &client, result), result);
    CHECK(client != NULL);
    firehose_config_free(config);
    firehose_result_free(result);
    return client;
}

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void sleep_ms(long ms) {
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&wait, &wait) != 0) {
    }
}

/* Entries of a folder of /proc: open descriptors or threads, without the one that the count itself opens. */
static inline int count_entries(const char *folder) {
    DIR *dir = opendir(folder);
    int count = 0;
    struct dirent *entry;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline int open_descriptors(void) { return count_entries("/proc/self/fd") - 1; }
static inline int running_threads(void) { return count_entries("/proc/self/task"); }

#endif

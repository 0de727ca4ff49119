/* Start, signals, the end. */
#define _POSIX_C_SOURCE 200809L
#include "pipe.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ends;
static volatile sig_atomic_t reopen;
/* A byte is written to it by each signal, so that no wait misses one. */
static int wake[2] = {-1, -1};

static void on_signal(int signal) {
    int before = errno;
    if (signal == SIGHUP)
        reopen = 1;
    else
        ends++;
    /* Full: then it wakes the reader anyway. */
    ssize_t ignored = write(wake[1], "", 1);
    (void)ignored;
    errno = before;
}

static bool catch_signals(void) {
    if (pipe(wake) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(wake[i], F_SETFL, O_NONBLOCK);
        fcntl(wake[i], F_SETFD, FD_CLOEXEC);
    }
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGTERM, &action, NULL) == 0 && sigaction(SIGINT, &action, NULL) == 0 &&
           sigaction(SIGHUP, &action, NULL) == 0;
}

int ends_asked(void) {
    return (int)ends;
}

bool reopen_asked(void) {
    bool asked = reopen != 0;
    reopen = 0;
    return asked;
}

bool wait_for(int input, int timeout_ms) {
    struct pollfd sources[2] = {{.fd = wake[0], .events = POLLIN}, {.fd = input, .events = POLLIN}};
    if (poll(sources, input < 0 ? 1 : 2, timeout_ms) <= 0)
        return false;
    char bytes[64];
    while (read(wake[0], bytes, sizeof bytes) > 0) {
    }
    return sources[1].revents != 0;
}

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int run(const struct options *options, firehose_result *result) {
    struct sink sink;
    if (!sink_open(&sink, options, result))
        return EXIT_USAGE;
    if (options->file_count == 0)
        read_stdin(&sink);
    else if (!follow_files(&sink, options)) {
        sink_close(&sink);
        return EXIT_USAGE;
    }
    return sink_close(&sink);
}

int main(int argc, char **argv) {
    struct options options = {0};
    firehose_result *result = firehose_result_new();
    options.config = firehose_config_new();
    int status = EXIT_USAGE;
    if (result == NULL || options.config == NULL || !catch_signals())
        tell("out of memory or of descriptors");
    else if (options_read(&options, argc, argv, result, &status))
        status = run(&options, result);
    firehose_config_free(options.config);
    firehose_result_free(result);
    return status;
}
